//! Values of the contract to and from PostgreSQL's wire format.
//!
//! Rows come in the binary format and are decoded by column, with a decoder that is chosen once per
//! statement. Parameters go in the binary format where their type is the one that the statement expects;
//! otherwise, where the meaning is plain (a number for a `numeric`, text for anything), as text that the
//! server reads like a quoted literal.

mod decode;
mod encode;
mod literal;

pub(super) use decode::{Decoder, Flaw};
pub(crate) use encode::misfit;
pub(super) use encode::{Encoded, encode_all};
