//! Changes that happen together.

use super::{Check, Condition, Mutation, PutItem};
use crate::bindings::wharf::platform::kv::IncrementItem;

/// Changes of several keys at one instant, under conditions; see [`Kv::transact`](super::Kv::transact).
///
/// ```no_run
/// # use wharf_guest::{Kv, Result, kv::{Batch, Condition}};
/// # fn main() -> Result<()> {
/// let kv = Kv::open("stock")?;
/// let Some(entry) = kv.entry("apples")? else { return Ok(()) };
/// let batch = Batch::new()
///     .check("apples", Condition::IfVersion(entry.version))
///     .delete("apples")
///     .increment("sold", 1);
/// let done = kv.transact(&batch)?.is_some();
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Batch {
    checks: Vec<Check>,
    mutations: Vec<Mutation>,
}

impl Batch {
    /// No changes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing happens unless this holds.
    #[must_use]
    pub fn check(mut self, key: impl Into<String>, condition: Condition) -> Self {
        self.checks.push(Check { key: key.into(), condition });
        self
    }

    /// Stores a value until it is deleted.
    #[must_use]
    pub fn put(self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.change(Mutation::Put(PutItem { key: key.into(), value: value.into(), ttl_ms: None }))
    }

    /// Deletes a key.
    #[must_use]
    pub fn delete(self, key: impl Into<String>) -> Self {
        self.change(Mutation::Delete(key.into()))
    }

    /// Adds to a number; an absent key counts as 0.
    #[must_use]
    pub fn increment(self, key: impl Into<String>, delta: i64) -> Self {
        self.change(Mutation::Increment(IncrementItem { key: key.into(), delta }))
    }

    /// Any change, e.g. a value that expires.
    #[must_use]
    pub fn change(mut self, mutation: Mutation) -> Self {
        self.mutations.push(mutation);
        self
    }

    pub(super) fn checks(&self) -> &[Check] {
        &self.checks
    }

    pub(super) fn mutations(&self) -> &[Mutation] {
        &self.mutations
    }
}
