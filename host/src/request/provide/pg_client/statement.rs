//! One statement on one connection: prepared once, run within limits.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use futures_util::TryStreamExt;
use futures_util::future::{MaybeDone, join, maybe_done};
use tokio_postgres::{Client, RowStream, Statement};

use crate::bindings::wharf::platform::pg_client::{self, Column, Error, PgValue};

use super::budget::Budget;
use super::convert::{self, Decoder, Encoded};
use super::kind::{Direction, Kind};
use super::pool::Lease;
use super::rows::Rows;

/// Longest text of a statement, and the longest that a connection keeps prepared.
const LONGEST_SQL: usize = 1 << 20;
const LONGEST_KEPT: usize = 16 << 10;
/// Forgets what sequences gave to earlier requests.
const DISCARD_SEQUENCES: &str = "discard sequences";
/// Statements of one pipeline.
const LONGEST_PIPELINE: usize = 1_000;

/// A statement that the server knows, and how its rows are read.
pub(super) struct Prepared {
    pub(super) statement: Statement,
    pub(super) decoders: Vec<Decoder>,
    kind: Kind,
    only_reads: bool,
    reads_sequences: bool,
}

/// A statement of a pipeline, ready to be sent.
pub(super) type Ready = (Arc<Prepared>, Vec<Encoded>);

/// Whether COMMIT may be sent along: not where one statement writes and the rows of another may turn out
/// to be too many, as then nothing may be committed.
pub(super) fn may_commit_blindly(statements: &[Ready]) -> bool {
    let returns_rows = statements.iter().any(|(prepared, _)| prepared.returns_rows());
    !returns_rows
        || statements.iter().all(|(prepared, _)| prepared.only_reads && prepared.kind == Kind::Clean)
}

/// What is sent around the statements of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Around {
    /// Nothing: a transaction is open.
    Nothing,
    /// BEGIN before, and nothing yet behind.
    Begin,
    /// BEGIN before and COMMIT behind, in the same round trip.
    BeginCommit,
}

impl Lease {
    /// Prepares `sql` unless this connection has it already.
    pub(super) async fn prepare(&mut self, sql: &str) -> Result<Arc<Prepared>, Error> {
        let known = self.connection()?.statements.get(sql).cloned();
        let kind = known.as_ref().map_or_else(|| check(sql), |prepared| Ok(prepared.kind))?;
        if kind == Kind::Control && self.is_in_transaction() {
            let why = "inside `begin`, transactions are ended with `commit`, `rollback` and `savepoint`";
            return Err(Error::InvalidArgument(why.to_owned()));
        }
        if let Some(prepared) = known {
            self.tell(sql)?;
            return Ok(prepared);
        }
        let prepared = Box::pin(self.prepare_as(sql, kind)).await?;
        self.tell(sql)?;
        if sql.len() <= LONGEST_KEPT {
            self.connection()?.statements.put(sql.to_owned(), prepared.clone());
        }
        Ok(prepared)
    }

    /// Prepares text of the host's own making, which leaves nothing behind and is not kept.
    pub(super) async fn prepare_own(&mut self, sql: &str) -> Result<Arc<Prepared>, Error> {
        self.prepare_as(sql, Kind::Clean).await
    }

    /// Prepares COPY, which runs once and is not kept.
    pub(super) async fn prepare_copy(
        &mut self,
        sql: &str,
        direction: Direction,
    ) -> Result<Arc<Prepared>, Error> {
        check_text(sql)?;
        if Direction::of_copy(sql) != Some(direction) {
            let why = match direction {
                Direction::In => "`copy-in` runs `copy ... from stdin`, and nothing else",
                Direction::Out => "`copy-out` runs `copy ... to stdout`, and nothing else",
            };
            return Err(Error::InvalidArgument(why.to_owned()));
        }
        let prepared = self.prepare_as(sql, Kind::Copy).await?;
        self.tell(sql)?;
        Ok(prepared)
    }

    async fn prepare_as(&mut self, sql: &str, kind: Kind) -> Result<Arc<Prepared>, Error> {
        self.start();
        let prepared = self.connection()?.client.prepare(sql).await;
        let statement = self.settle(prepared).map_err(|error| match error {
            // Nothing ran yet. A transaction that is open is lost all the same.
            Error::ConnectionLost(why) if !self.is_in_transaction() => Error::Unavailable(why),
            error => error,
        })?;
        let decoders = statement.columns().iter().map(|column| Decoder::of(column.type_())).collect();
        let (only_reads, reads_sequences) = (Kind::only_reads(sql), kind.reads_sequences(sql));
        Ok(Arc::new(Prepared { statement, decoders, kind, only_reads, reads_sequences }))
    }

    /// Prepares the statements of a pipeline: a round trip each, the first time only.
    pub(super) async fn prepare_all(
        &mut self,
        statements: &[pg_client::Statement],
    ) -> Result<Vec<Ready>, Error> {
        if statements.len() > LONGEST_PIPELINE {
            let why = format!(
                "{} statements in one pipeline; at most {LONGEST_PIPELINE} are taken",
                statements.len()
            );
            return Err(Error::LimitExceeded(why));
        }
        let mut all = Vec::with_capacity(statements.len());
        for statement in statements {
            let prepared = self.prepare(&statement.sql).await?;
            if prepared.kind == Kind::Control {
                let why = "a pipeline is one transaction: it cannot begin or end others";
                return Err(Error::InvalidArgument(why.to_owned()));
            }
            let params = convert::encode_all(&statement.params, prepared.statement.params())?;
            all.push((prepared, params));
        }
        Ok(all)
    }

    /// Runs one statement and reads its rows, within the limits of a result. A plan that a change of the
    /// schema made useless is made anew, once, outside of transactions: the server refused it before it ran.
    pub(super) async fn query<R: Rows>(&mut self, sql: &str, params: &[PgValue]) -> Result<R::Set, Error> {
        let prepared = self.prepare(sql).await?;
        let ran = self.run::<R>(&prepared, params).await;
        if !self.take_stale() {
            return ran;
        }
        self.forget([sql])?;
        if self.is_in_transaction() {
            return ran;
        }
        let again = async {
            let prepared = self.prepare(sql).await?;
            self.run::<R>(&prepared, params).await
        };
        Box::pin(again).await
    }

    /// Runs what was prepared on this connection.
    pub(super) async fn run<R: Rows>(
        &mut self,
        prepared: &Prepared,
        params: &[PgValue],
    ) -> Result<R::Set, Error> {
        let params = convert::encode_all(params, prepared.statement.params())?;
        self.note(prepared).await?;
        self.start();
        let ran = run::<R>(&self.connection()?.client, prepared, &params).await;
        self.finish(ran)
    }

    /// Runs statements that were prepared before, sent together and answered in order.
    pub(super) async fn pipeline<R: Rows>(
        &mut self,
        statements: &[Ready],
        around: Around,
    ) -> Result<Vec<R::Set>, Error> {
        let begin = match around {
            Around::Nothing => "",
            Around::Begin | Around::BeginCommit if self.forgets_sequences()? => "discard sequences; begin",
            Around::Begin | Around::BeginCommit => "begin",
        };
        let commit = if around == Around::BeginCommit { "commit" } else { "" };
        for (prepared, _) in statements {
            self.note(prepared).await?;
        }
        self.start();
        let ran = exchange::<R>(&self.connection()?.client, statements, begin, commit).await;
        self.finish(ran)
    }

    /// Runs text that returns nothing and leaves the session as it should be: BEGIN, COMMIT and the like.
    pub(super) async fn control(&mut self, sql: &str) -> Result<(), Error> {
        self.start();
        let ran = self.connection()?.client.batch_execute(sql).await;
        self.settle(ran)
    }

    /// Begins a transaction, in which no value of a sequence is seen that an earlier request left.
    pub(super) async fn begin(&mut self, how: &str) -> Result<(), Error> {
        self.set_in_transaction(true);
        if !self.forgets_sequences()? {
            return self.control(how).await;
        }
        self.start();
        // Sent together, but not as one message, which would be a transaction with a statement in it already.
        let client = &self.connection()?.client;
        let both = join(client.batch_execute(DISCARD_SEQUENCES), client.batch_execute(how));
        let (discarded, begun) = both.await;
        self.settle(discarded.and(begun))
    }

    /// Whether a transaction has to discard values of sequences when it begins; asking marks them as discarded.
    fn forgets_sequences(&mut self) -> Result<bool, Error> {
        self.use_up();
        Ok(std::mem::take(&mut self.connection()?.sequences))
    }

    /// Drops texts from what this connection keeps prepared.
    pub(super) fn forget<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
        let connection = self.connection()?;
        for sql in texts {
            connection.statements.pop(sql);
        }
        Ok(())
    }

    /// Remembers what a statement does to the session. One that would see what earlier requests left in
    /// the sequences of the session finds them as in a new one.
    pub(super) async fn note(&mut self, prepared: &Prepared) -> Result<(), Error> {
        if prepared.reads_sequences && self.is_fresh() && self.connection()?.sequences {
            Box::pin(self.control(DISCARD_SEQUENCES)).await?;
            self.connection()?.sequences = false;
        }
        if prepared.kind != Kind::Clean {
            self.soil();
        }
        if !prepared.only_reads || prepared.kind != Kind::Clean {
            self.connection()?.sequences = true;
        }
        self.use_up();
        Ok(())
    }

    /// A result over its limits leaves rows on their way: the lease stays busy, and its drop cancels.
    fn finish<T>(&mut self, ran: Result<T, Failed>) -> Result<T, Error> {
        match ran {
            Ok(value) => self.settle(Ok(value)),
            Err(Failed::Driver(error)) => self.settle(Err(error)),
            Err(Failed::Own(error)) => Err(*error),
        }
    }
}

fn check(sql: &str) -> Result<Kind, Error> {
    check_text(sql)?;
    match Kind::of(sql) {
        Kind::Copy => Err(Error::InvalidArgument("COPY is run with `copy-in` and `copy-out`".to_owned())),
        kind => Ok(kind),
    }
}

fn check_text(sql: &str) -> Result<(), Error> {
    if sql.contains('\0') {
        return Err(Error::InvalidArgument("the statement has a NUL character".to_owned()));
    }
    if sql.len() > LONGEST_SQL {
        let why = format!("the statement has {} bytes; at most {LONGEST_SQL} are taken", sql.len());
        return Err(Error::LimitExceeded(why));
    }
    Ok(())
}

/// Why a statement gave no result.
enum Failed {
    Driver(tokio_postgres::Error),
    /// The host's own verdict; the rest of the result is still on its way.
    Own(Box<Error>),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Own(Box::new(error))
    }
}

async fn batch(client: &Client, sql: &str) -> Result<(), tokio_postgres::Error> {
    if sql.is_empty() { Ok(()) } else { client.batch_execute(sql).await }
}

async fn run<R: Rows>(client: &Client, prepared: &Prepared, params: &[Encoded]) -> Result<R::Set, Failed> {
    let rows = client.query_raw(&prepared.statement, params).await.map_err(Failed::Driver)?;
    collect::<R>(rows, prepared, &mut Budget::new()).await
}

/// Sends everything, then reads the answers in order.
async fn exchange<R: Rows>(
    client: &Client,
    statements: &[Ready],
    begin: &str,
    commit: &str,
) -> Result<Vec<R::Set>, Failed> {
    let mut begin = Box::pin(maybe_done(batch(client, begin)));
    let mut commit = Box::pin(maybe_done(batch(client, commit)));
    let mut queries: Vec<_> = statements
        .iter()
        .map(|(prepared, params)| Box::pin(maybe_done(client.query_raw(&prepared.statement, params))))
        .collect();
    // Each is sent when it is first polled: here, in this order, before any answer is waited for.
    send(begin.as_mut()).await;
    for query in &mut queries {
        send(query.as_mut()).await;
    }
    send(commit.as_mut()).await;
    // A failed statement fails all behind it, COMMIT included: the first error is the one that tells.
    end(begin.as_mut()).await.map_err(Failed::Driver)?;
    let results = collect_all::<_, R>(queries, statements).await;
    if !matches!(results, Err(Failed::Own(_))) {
        let ended = end(commit.as_mut()).await;
        if results.is_ok() {
            ended.map_err(Failed::Driver)?;
        }
    }
    results
}

/// Polls once, which is what sends a statement.
async fn send<F: Future>(mut query: Pin<&mut MaybeDone<F>>) {
    std::future::poll_fn(|context| {
        let _sent = query.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

async fn end<F: Future>(mut query: Pin<&mut MaybeDone<F>>) -> F::Output {
    query.as_mut().await;
    query.take_output().expect("it was just awaited, and its output is taken once")
}

/// Reads the answers in order, within one budget.
async fn collect_all<F, R>(
    queries: Vec<Pin<Box<MaybeDone<F>>>>,
    statements: &[Ready],
) -> Result<Vec<R::Set>, Failed>
where
    F: Future<Output = Result<RowStream, tokio_postgres::Error>>,
    R: Rows,
{
    let (mut results, mut budget) = (Vec::with_capacity(statements.len()), Budget::new());
    for (mut query, (prepared, _)) in queries.into_iter().zip(statements) {
        let rows = end(query.as_mut()).await.map_err(Failed::Driver)?;
        results.push(collect::<R>(rows, prepared, &mut budget).await?);
    }
    Ok(results)
}

async fn collect<R: Rows>(
    rows: RowStream,
    prepared: &Prepared,
    budget: &mut Budget,
) -> Result<R::Set, Failed> {
    let mut rows = pin!(rows);
    let mut out = R::new();
    while let Some(row) = rows.try_next().await.map_err(Failed::Driver)? {
        out.push(&row, prepared, budget)?;
    }
    let affected = rows.rows_affected().unwrap_or(0);
    Ok(out.finish(prepared, affected))
}

impl Prepared {
    pub(super) fn returns_rows(&self) -> bool {
        !self.decoders.is_empty()
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        let column =
            |c: &tokio_postgres::Column| Column { name: c.name().to_owned(), type_oid: c.type_().oid() };
        self.statement.columns().iter().map(column).collect()
    }
}
