//! Memory of one guest, summed over all its memories and tables. Wasmtime's own limiter counts each apart.

use wasmtime::ResourceLimiter;

/// Bytes that one table element takes in the host.
const ELEMENT: usize = size_of::<usize>();

/// What is left of a request's memory.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    left: usize,
    /// Whether growing was ever refused: then a trap is most likely the guest giving up.
    pub(crate) refused: bool,
}

impl MemoryBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: bytes, refused: false }
    }

    /// Gives back what was taken.
    pub(crate) fn give(&mut self, bytes: usize) {
        self.left = self.left.saturating_add(bytes);
    }

    /// Takes from what is left; false when that is less.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.refused = true;
                false
            }
        }
    }
}

impl ResourceLimiter for MemoryBudget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.take(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.take(desired.saturating_sub(current).saturating_mul(ELEMENT)))
    }
}

#[cfg(test)]
mod tests {
    use super::{MemoryBudget, ResourceLimiter};

    #[test]
    fn two_memories_share_one_budget() {
        let mut budget = MemoryBudget::new(100);
        assert!(budget.memory_growing(0, 60, None).unwrap());
        assert!(!budget.memory_growing(0, 60, None).unwrap());
        assert!(budget.refused);
        assert!(budget.memory_growing(60, 100, None).unwrap(), "what fits is given after a refusal, too");
    }

    #[test]
    fn a_memory_that_declares_its_own_maximum_is_not_counted_as_refused() {
        let mut budget = MemoryBudget::new(100);
        assert!(!budget.memory_growing(0, 60, Some(50)).unwrap());
        assert!(!budget.refused);
    }
}
