//! Records for as long as the process lives: for `wharf dev` and for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Condition, RecordError, Records, Table, Write};

/// Keeps records in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<(Table, String), Vec<u8>>>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Table, String), Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records for Memory {
    fn read(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        Ok(self.lock().get(&(table, key.to_owned())).cloned())
    }

    fn list(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, RecordError> {
        let kept = self.lock();
        let from = kept.range((table, prefix.to_owned())..);
        let found = from.take_while(|((found, key), _)| *found == table && key.starts_with(prefix));
        Ok(found.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn write(&self, condition: Option<&Condition>, writes: &[Write]) -> Result<bool, RecordError> {
        let mut kept = self.lock();
        let holds = |condition: &Condition| {
            kept.get(&(condition.table, condition.key.clone())) == condition.value.as_ref()
        };
        if !condition.is_none_or(holds) {
            return Ok(false);
        }
        for Write { table, key, value } in writes {
            let key = (*table, key.clone());
            match value {
                Some(value) => drop(kept.insert(key, value.clone())),
                None => drop(kept.remove(&key)),
            }
        }
        Ok(true)
    }
}
