//! Values of the contract to and from PostgreSQL's wire format.
//!
//! Rows come in the binary format and are decoded by column, with a decoder that is chosen once per
//! statement. Parameters go in the binary format where their type is the one that the statement expects;
//! otherwise, where the meaning is plain (a number for a `numeric`, text for anything), as text that the
//! server reads like a quoted literal.

mod decode;
mod encode;
mod literal;
mod network;
mod numeric;

pub(super) use decode::{Decoder, Flaw};
pub(crate) use encode::misfit;
pub(super) use encode::{Encoded, encode_all};

/// 2000-01-01, where PostgreSQL's clocks begin, in days and microseconds of Unix time.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;
