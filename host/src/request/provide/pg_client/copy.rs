//! COPY in and out: as many bytes as there are, a few of them at a time in the host.
//!
//! A copy has its connection for itself. When it has ended, the lease goes home: to its pool, or to the
//! transaction that lent it. A copy that ends in any other way leaves the lease busy, and the drop of the
//! lease does the rest: it cancels, and throws the connection away.

#![expect(unreachable_pub, reason = "the generated bindings re-export the resources of this file")]

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio_postgres::{Client, CopyInSink, CopyOutStream, Statement};
use wasmtime::component::Resource;

use crate::bindings::wharf::platform::pg_client::{Error, HostCopyReader, HostCopyWriter};
use crate::request::RequestState;

use super::kind::Direction;
use super::pool::{Lease, Pools};
use super::transaction::{Session, Transaction};
use super::{Answer, within};

/// Most bytes of one read: `wit/pg-client.wit`.
const LARGEST_READ: u32 = 1 << 20;

/// `copy-in` under way.
pub struct CopyWriter(Copying<Pin<Box<CopyInSink<Bytes>>>>);

/// `copy-out` under way.
pub struct CopyReader {
    copying: Copying<Pin<Box<CopyOutStream>>>,
    /// Bytes of the last message that were not read yet.
    rest: Bytes,
}

impl std::fmt::Debug for CopyWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyWriter").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for CopyReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyReader").finish_non_exhaustive()
    }
}

struct Copying<F> {
    /// Before the lease: its drop tells the driver that there is no more to come.
    flow: Option<F>,
    /// None once the copy has ended.
    lease: Option<Lease>,
    home: Home,
}

/// Where a lease came from.
pub(super) enum Home {
    /// In a transaction of the copy's own, which tells what came of it.
    Pool {
        timeout: Option<Duration>,
    },
    Transaction {
        session: Arc<Session>,
        serial: u64,
    },
}

impl Home {
    fn left(&self) -> Option<Duration> {
        match self {
            Self::Pool { timeout } => *timeout,
            Self::Transaction { session, .. } => session.left(),
        }
    }

    /// Keeps what a copy did, or asks whether its transaction is still whole.
    async fn conclude(&self, lease: &mut Lease) -> Result<(), Error> {
        match self {
            Self::Pool { .. } => {
                lease.control("commit").await?;
                lease.set_in_transaction(false);
                Ok(())
            }
            Self::Transaction { .. } => lease.control("select 1").await,
        }
    }

    fn give_back(&self, lease: Lease, error: Option<&Error>) {
        match self {
            Self::Pool { .. } => drop(lease),
            Self::Transaction { session, serial } => session.put(lease, *serial, error),
        }
    }
}

/// A connection for a copy of its own.
pub(super) async fn from_pool(pools: &Pools, timeout: Option<Duration>) -> Result<(Lease, Home), Error> {
    let mut lease = within(timeout, pin!(pools.lease())).await?;
    within(timeout, pin!(lease.begin("begin"))).await?;
    Ok((lease, Home::Pool { timeout }))
}

/// The connection of a transaction.
pub(super) async fn from_transaction(transaction: &Transaction) -> Result<(Lease, Home), Error> {
    let (session, serial) = transaction.session();
    Ok((session.lend(serial).await?, Home::Transaction { session: session.clone(), serial }))
}

impl<F> Copying<F> {
    async fn begin(
        (mut lease, home): (Lease, Home),
        sql: &str,
        direction: Direction,
        open: impl AsyncFnOnce(&Client, &Statement) -> Result<F, tokio_postgres::Error>,
    ) -> Result<Self, Error> {
        let call = async {
            let prepared = lease.prepare_copy(sql, direction).await?;
            lease.note(&prepared).await?;
            lease.start();
            match open(&lease.connection()?.client, &prepared.statement).await {
                // Busy until the copy ends.
                Ok(flow) => Ok(flow),
                Err(error) => lease.settle(Err(error)),
            }
        };
        let begun = within(home.left(), pin!(call)).await;
        match begun {
            Ok(flow) => Ok(Self { flow: Some(flow), lease: Some(lease), home }),
            Err(error) => {
                home.give_back(lease, Some(&error));
                Err(error)
            }
        }
    }

    fn flow(&mut self) -> Result<&mut F, Error> {
        self.flow.as_mut().ok_or_else(|| Error::InvalidArgument("the copy has ended".to_owned()))
    }

    /// Ends the copy as the driver says it ended. The driver says so before the server has said all: what comes
    /// after is heard by the statement that follows.
    async fn end<T>(&mut self, result: Result<T, tokio_postgres::Error>) -> Result<T, Error> {
        self.flow = None;
        let Some(mut lease) = self.lease.take() else {
            return Err(Error::ConnectionLost("the connection is gone".to_owned()));
        };
        let mut result = lease.settle(result);
        if result.is_ok() {
            let ended = within(self.home.left(), pin!(self.home.conclude(&mut lease))).await;
            result = ended.and(result);
        }
        self.home.give_back(lease, result.as_ref().err());
        result
    }

    /// Ends the copy where it stands, which cancels it.
    fn cut(&mut self, error: Error) -> Error {
        self.flow = None;
        if let Some(lease) = self.lease.take() {
            self.home.give_back(lease, Some(&error));
        }
        error
    }
}

impl CopyWriter {
    pub(super) async fn open(from: (Lease, Home), sql: &str) -> Result<Self, Error> {
        let open =
            async |client: &Client, statement: &Statement| client.copy_in(statement).await.map(Box::pin);
        Copying::begin(from, sql, Direction::In, open).await.map(Self)
    }

    async fn write(&mut self, chunk: Vec<u8>) -> Result<(), Error> {
        let left = self.0.home.left();
        let sink = self.0.flow()?;
        if chunk.is_empty() {
            return Ok(());
        }
        let fed = within(left, pin!(async { Ok(sink.feed(Bytes::from(chunk)).await) })).await;
        match fed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => self.0.end(Err(error)).await,
            Err(late) => Err(self.0.cut(late)),
        }
    }

    async fn finish(&mut self) -> Result<u64, Error> {
        let left = self.0.home.left();
        let sink = self.0.flow()?;
        let finished = within(left, pin!(async { Ok(sink.as_mut().finish().await) })).await;
        match finished {
            Ok(result) => self.0.end(result).await,
            Err(late) => Err(self.0.cut(late)),
        }
    }

    /// Tells the server that the copy failed, and waits until it knows.
    async fn abort(mut self) {
        self.0.flow = None;
        let Some(mut lease) = self.0.lease.take() else { return };
        let told = within(self.0.home.left(), pin!(lease.control(""))).await;
        if let Err(error) = told {
            tracing::debug!(?error, "an aborted copy did not end; its connection is gone");
        }
        // In a transaction the copy is a statement that failed.
        self.0.home.give_back(lease, Some(&Error::Cancelled));
    }
}

impl CopyReader {
    pub(super) async fn open(from: (Lease, Home), sql: &str) -> Result<Self, Error> {
        let open =
            async |client: &Client, statement: &Statement| client.copy_out(statement).await.map(Box::pin);
        let copying = Copying::begin(from, sql, Direction::Out, open).await?;
        Ok(Self { copying, rest: Bytes::new() })
    }

    async fn read(&mut self, max: u32) -> Result<Vec<u8>, Error> {
        if !(1..=LARGEST_READ).contains(&max) {
            return Err(Error::InvalidArgument(format!("`max` is {max}: use 1 to {LARGEST_READ}")));
        }
        let mut out = Vec::new();
        let max = max as usize;
        while out.len() < max {
            if self.rest.is_empty() && !self.more(out.is_empty()).await? {
                break;
            }
            let piece = self.rest.split_to(self.rest.len().min(max - out.len()));
            out.extend_from_slice(&piece);
        }
        Ok(out)
    }

    /// Gets the next message that is not empty. False when there is none, or none yet where waiting is no use
    /// as there is something to give.
    async fn more(&mut self, may_wait: bool) -> Result<bool, Error> {
        loop {
            let left = self.copying.home.left();
            let Some(stream) = &mut self.copying.flow else { return Ok(false) };
            let next = if may_wait {
                let next = within(left, pin!(async { Ok(stream.next().await) })).await;
                match next {
                    Ok(next) => next,
                    Err(late) => return Err(self.copying.cut(late)),
                }
            } else {
                match stream.next().now_or_never() {
                    Some(next) => next,
                    None => return Ok(false),
                }
            };
            match next {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => {
                    self.rest = bytes;
                    return Ok(true);
                }
                Some(Err(error)) => return self.copying.end(Err(error)).await,
                None => return self.copying.end(Ok(false)).await,
            }
        }
    }
}

impl HostCopyWriter for RequestState {
    async fn write(&mut self, writer: Resource<CopyWriter>, chunk: Vec<u8>) -> Answer<()> {
        Ok(self.table.get_mut(&writer)?.write(chunk).await)
    }

    async fn finish(&mut self, writer: Resource<CopyWriter>) -> Answer<u64> {
        Ok(self.table.get_mut(&writer)?.finish().await)
    }

    async fn drop(&mut self, writer: Resource<CopyWriter>) -> wasmtime::Result<()> {
        self.table.delete(writer)?.abort().await;
        Ok(())
    }
}

impl HostCopyReader for RequestState {
    async fn read(&mut self, reader: Resource<CopyReader>, max: u32) -> Answer<Vec<u8>> {
        Ok(self.table.get_mut(&reader)?.read(max).await)
    }

    async fn drop(&mut self, reader: Resource<CopyReader>) -> wasmtime::Result<()> {
        let mut reader = self.table.delete(reader)?;
        let _cancelled = reader.copying.cut(Error::Cancelled);
        Ok(())
    }
}
