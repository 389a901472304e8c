//! One statement on one connection: classified, prepared once, run within limits.

use std::pin::pin;
use std::sync::Arc;

use futures_util::TryStreamExt;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row, RowStream, Statement};

use crate::bindings::wharf::platform::pg_client::{Column, Error, PgValue, RowSet};

use super::convert::{self, Decoder, Encoded};
use super::pool::Lease;

/// Bounds of one result: behaviour.md.
const MOST_ROWS: usize = 10_000;
const MOST_BYTES: usize = 4 << 20;

/// A statement that the server knows, and how its rows are read.
pub(super) struct Prepared {
    pub(super) statement: Statement,
    pub(super) decoders: Vec<Decoder>,
    kind: Kind,
}

/// What a statement does to the session that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing that outlives it.
    Clean,
    /// Maybe something: its connection is not used again.
    Soiling,
    /// Begins or ends transactions.
    Control,
    /// Switches the protocol to COPY.
    Copy,
}

impl Kind {
    /// By the first word, and by the names of functions that reach into the session.
    fn of(sql: &str) -> Self {
        const CLEAN: [&str; 7] = ["select", "insert", "update", "delete", "merge", "with", "values"];
        const CONTROL: [&str; 8] =
            ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"];
        const REACHING: [&str; 4] = ["set_config", "advisory", "pg_temp", "dblink"];
        let word = first_word(sql).to_ascii_lowercase();
        let word = word.as_str();
        if word == "copy" {
            Self::Copy
        } else if CONTROL.contains(&word) {
            Self::Control
        } else if CLEAN.contains(&word) {
            let text = sql.to_ascii_lowercase();
            let creates = || word != "insert" && text.contains("into") && text.contains("temp");
            let soils = REACHING.iter().any(|name| text.contains(name)) || creates();
            if soils { Self::Soiling } else { Self::Clean }
        } else {
            Self::Soiling
        }
    }
}

/// The first word behind white space, comments and opening parentheses.
fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        } else if rest.starts_with("/*") {
            rest = after_comment(rest);
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            return rest.get(..end).unwrap_or_default();
        }
    }
}

/// Block comments nest in PostgreSQL.
fn after_comment(text: &str) -> &str {
    let (mut depth, mut rest) = (0_u32, text);
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, inner);
        } else if let Some(outer) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, outer);
            if depth == 0 {
                return rest;
            }
        } else {
            let mut chars = rest.chars();
            chars.next();
            rest = chars.as_str();
        }
    }
    rest
}

impl Lease {
    /// Prepares `sql` unless this connection has it already.
    pub(super) async fn prepare(&mut self, sql: &str) -> Result<Arc<Prepared>, Error> {
        let connection = self.connection()?;
        if let Some(prepared) = connection.statements.get(sql) {
            return Ok(prepared.clone());
        }
        let kind = Kind::of(sql);
        if kind == Kind::Copy {
            return Err(Error::InvalidArgument("COPY is run with `copy-in` and `copy-out`".to_owned()));
        }
        if kind == Kind::Control && self.is_in_transaction() {
            let why = "inside `begin`, transactions are ended with `commit`, `rollback` and `savepoint`";
            return Err(Error::InvalidArgument(why.to_owned()));
        }
        let prepared = self.prepare_as(sql, kind).await?;
        self.connection()?.statements.put(sql.to_owned(), prepared.clone());
        Ok(prepared)
    }

    /// Prepares text of the host's own making, which leaves nothing behind and is not kept.
    pub(super) async fn prepare_own(&mut self, sql: &str) -> Result<Arc<Prepared>, Error> {
        self.prepare_as(sql, Kind::Clean).await
    }

    async fn prepare_as(&mut self, sql: &str, kind: Kind) -> Result<Arc<Prepared>, Error> {
        self.start();
        let prepared = self.connection()?.client.prepare(sql).await;
        let statement = self.settle(prepared)?;
        let decoders = statement.columns().iter().map(|column| Decoder::of(column.type_())).collect();
        Ok(Arc::new(Prepared { statement, decoders, kind }))
    }

    /// Runs one statement and reads its rows, within the limits of a result. A plan that a change of the
    /// schema made useless is made anew, once, outside of transactions.
    pub(super) async fn query(&mut self, sql: &str, params: &[PgValue]) -> Result<RowSet, Error> {
        let prepared = self.prepare(sql).await?;
        match self.run(&prepared, params).await {
            Err(Error::Db(error))
                if !self.is_in_transaction() && is_stale(&error.sqlstate, &error.message) =>
            {
                self.connection()?.statements.pop(sql);
                let prepared = self.prepare(sql).await?;
                self.run(&prepared, params).await
            }
            ran => ran,
        }
    }

    /// Runs what was prepared on this connection.
    pub(super) async fn run(&mut self, prepared: &Prepared, params: &[PgValue]) -> Result<RowSet, Error> {
        let params = convert::encode_all(params, prepared.statement.params())?;
        self.note(prepared);
        self.start();
        let ran = run(&self.connection()?.client, prepared, &params).await;
        self.finish(ran)
    }

    /// Runs statements that were prepared before, sent together and answered in order. `around` is sent
    /// before and after them in the same round trip.
    pub(super) async fn pipeline(
        &mut self,
        statements: Vec<(Arc<Prepared>, Vec<Encoded>)>,
        around: Option<(&str, &str)>,
    ) -> Result<Vec<RowSet>, Error> {
        statements.iter().for_each(|(prepared, _)| self.note(prepared));
        self.start();
        let client = &self.connection()?.client;
        let (before, after) = around.unwrap_or_default();
        // Each future sends when it is first polled, and they are polled in this order.
        let (began, results, ended) = futures_util::future::join3(
            batch(client, before),
            futures_util::future::join_all(statements.iter().map(|(p, params)| run(client, p, params))),
            batch(client, after),
        )
        .await;
        // A failed statement fails all behind it, COMMIT included: the first error is the one that tells.
        let results: Result<Vec<RowSet>, Failed> = results.into_iter().collect();
        let ran = match (began, results, ended) {
            (Err(error), _, _) | (Ok(()), Ok(_), Err(error)) => Err(Failed::Driver(error)),
            (Ok(()), results, _) => results,
        };
        self.finish(ran)
    }

    /// Runs text that returns nothing and leaves the session as it should be: BEGIN, COMMIT and the like.
    pub(super) async fn control(&mut self, sql: &str) -> Result<(), Error> {
        self.start();
        let ran = self.connection()?.client.batch_execute(sql).await;
        self.settle(ran)
    }

    /// Remembers what a statement does to the session.
    pub(super) fn note(&mut self, prepared: &Prepared) {
        match prepared.kind {
            Kind::Clean => {}
            Kind::Soiling | Kind::Control | Kind::Copy => self.soil(),
        }
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

/// Plans that a change of the schema made useless; the server refuses them before it runs anything.
fn is_stale(sqlstate: &str, message: &str) -> bool {
    let changed = sqlstate == SqlState::FEATURE_NOT_SUPPORTED.code() && message.contains("cached plan");
    changed || sqlstate == SqlState::INVALID_SQL_STATEMENT_NAME.code()
}

/// Why a statement gave no result.
enum Failed {
    Driver(tokio_postgres::Error),
    /// The host's own verdict; the rest of the result is still on its way.
    Own(Box<Error>),
}

async fn batch(client: &Client, sql: &str) -> Result<(), tokio_postgres::Error> {
    if sql.is_empty() { Ok(()) } else { client.batch_execute(sql).await }
}

async fn run(client: &Client, prepared: &Prepared, params: &[Encoded]) -> Result<RowSet, Failed> {
    let rows = client.query_raw(&prepared.statement, params).await.map_err(Failed::Driver)?;
    collect(rows, prepared).await
}

async fn collect(rows: RowStream, prepared: &Prepared) -> Result<RowSet, Failed> {
    let mut rows = pin!(rows);
    let (mut out, mut bytes) = (Vec::new(), 0_usize);
    while let Some(row) = rows.try_next().await.map_err(Failed::Driver)? {
        bytes = bytes.saturating_add(row.raw_size_bytes());
        if out.len() >= MOST_ROWS || bytes > MOST_BYTES {
            let why =
                format!("the result has more than {MOST_ROWS} rows or {MOST_BYTES} bytes: use a cursor");
            return Err(Failed::Own(Box::new(Error::LimitExceeded(why))));
        }
        out.push(prepared.decode(&row).map_err(|error| Failed::Own(Box::new(error)))?);
    }
    let affected = rows.rows_affected().unwrap_or(0);
    Ok(RowSet { columns: prepared.columns(), rows: out, affected })
}

impl Prepared {
    pub(super) fn columns(&self) -> Vec<Column> {
        let column =
            |c: &tokio_postgres::Column| Column { name: c.name().to_owned(), type_oid: c.type_().oid() };
        self.statement.columns().iter().map(column).collect()
    }

    pub(super) fn decode(&self, row: &Row) -> Result<Vec<PgValue>, Error> {
        let values = self.decoders.iter().enumerate().map(|(index, decoder)| {
            decoder.decode(row, index).ok_or_else(|| {
                let name = row.columns().get(index).map_or("?", |column| column.name());
                Error::Other(format!("the server sent a malformed value in column `{name}`"))
            })
        });
        values.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, first_word};

    #[test]
    fn the_first_word_is_found_behind_whatever_stands_before_it() {
        let cases = [
            ("select 1", "select"),
            ("  \n( SELECT 1)", "SELECT"),
            ("-- a\n--b\n with x", "with"),
            ("/* a /* b */ c */insert", "insert"),
            ("/* open", ""),
            ("", ""),
            ("é", ""),
        ];
        for (sql, word) in cases {
            assert_eq!(first_word(sql), word, "{sql}");
        }
    }

    #[test]
    fn what_may_stay_in_the_session_is_known_for_it() {
        let cases = [
            ("select * from t", Kind::Clean),
            ("insert into templates values (1)", Kind::Clean),
            ("with x as (select 1) update t set a = 1", Kind::Clean),
            ("select set_config('a.b', 'c', false)", Kind::Soiling),
            ("select PG_ADVISORY_LOCK(1)", Kind::Soiling),
            ("select 1 into temp x", Kind::Soiling),
            ("set search_path to x", Kind::Soiling),
            ("do $$ begin end $$", Kind::Soiling),
            ("create table x ()", Kind::Soiling),
            ("/* */ BEGIN", Kind::Control),
            ("copy t from stdin", Kind::Copy),
        ];
        for (sql, kind) in cases {
            assert_eq!(Kind::of(sql), kind, "{sql}");
        }
    }
}
