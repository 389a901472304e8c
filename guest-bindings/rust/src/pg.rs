//! PostgreSQL. The host owns connections, pools, prepared statements and credentials; a service opens what
//! its manifest grants, by name.
//!
//! ```no_run
//! use wharf_guest::{FromRow, PgClient, Result};
//!
//! #[derive(FromRow)]
//! struct User {
//!     id: i64,
//!     name: String,
//!     email: Option<String>,
//! }
//!
//! # fn main() -> Result<()> {
//! let pg = PgClient::open("main")?;
//! let users: Vec<User> = pg.query_as("select id, name, email from users where id > $1", &[&100])?;
//! let count: i64 = pg.query_value("select count(*) from users", &[])?;
//!
//! pg.transaction(|tx| {
//!     tx.execute("update accounts set balance = balance - $1 where id = $2", &[&5, &1])?;
//!     tx.execute("update accounts set balance = balance + $1 where id = $2", &[&5, &2])
//! })?;
//! # Ok(()) }
//! ```
//!
//! Parameters are converted to the types that the statement expects. What a column becomes is up to
//! [`FromPg`]: integers widen (an `int4` reads as `i64`), `null` needs an `Option`, arrays become `Vec`s. Rows stay
//! as the server sent them; a column is read when it is asked for, and nothing is made of the others.
//!
//! | for | there is |
//! |---|---|
//! | statements that are checked and listed when the service is compiled | [`sql!`](crate::sql) and [`Sql`] |
//! | results too large for one call | [`Cursor`], [`CopyOut`] |
//! | many rows at once | [`CopyIn`], [`Pipeline`] |
//! | what belongs together | [`Transaction`], again after a collision with [`Retry`] |
//! | types without one of Rust's own | [`Array`], [`Range`], [`Multirange`], [`Composite`], [`Label`], `Json` |
//! | being woken by NOTIFY | [`Listener`] |

mod array;
mod block;
mod client;
mod composite;
mod convert;
mod copy;
mod cursor;
mod external;
mod listener;
mod pipeline;
mod queries;
mod range;
mod retry;
mod rows;
mod sql;
mod transaction;
mod types;
mod wire;

pub use array::Array;
pub use client::PgClient;
pub use composite::Composite;
pub use convert::{FromPg, Mismatch, ToPg};
pub use copy::{CopyIn, CopyOut};
pub use cursor::Cursor;
pub use listener::{Listener, Notification};
#[doc(hidden)]
pub use listener::{on_listening, on_notify};
pub use pipeline::Pipeline;
pub use queries::Queries;
pub use range::{Multirange, Range};
pub use retry::{Retry, Retryable};
pub use rows::{ColumnIndex, FromRow, Row, Rows};
pub use sql::Sql;
pub use transaction::{Transaction, TransactionOptions};
#[cfg(feature = "json")]
pub use types::Json;
pub use types::{Label, Numeric, TimeOfDay, Untyped, Uuid};
pub use wharf_guest_macros::FromRow;
pub use wire::WireValue;

pub use crate::bindings::wharf::platform::pg_client::{
    ArrayValue, Column, Dimension, Interval, Isolation, PgValue, RangeBounds, RangeValue, RawValue, Scalar,
    StatementInfo, TimeTz,
};
pub use crate::time::{Date, Timestamp};
