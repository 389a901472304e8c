//! Records in one redb file: every write is on the disk when it returns.
//!
//! After an error of the disk redb refuses to go on with what it has open. The file itself is whole, so it is opened anew
//! by whoever comes next: a disk that was full needs no restart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Condition, RecordError, Records, Table, Write, is_full};

type Definition = TableDefinition<'static, &'static str, &'static [u8]>;

const TABLES: [(Table, Definition); 6] = [
    (Table::Heads, TableDefinition::new("heads")),
    (Table::Deployments, TableDefinition::new("deployments")),
    (Table::Tokens, TableDefinition::new("tokens")),
    (Table::Answers, TableDefinition::new("answers")),
    (Table::Audit, TableDefinition::new("audit")),
    (Table::Settings, TableDefinition::new("settings")),
];

/// The embedded store.
pub struct Embedded {
    path: PathBuf,
    /// None after an error, until it is opened again.
    database: RwLock<Option<Database>>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens the file, or makes it. One process at a time.
    ///
    /// # Errors
    /// A file that cannot be opened, is another process's, or is none of redb's.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        let opened = Self { path: path.to_owned(), database: RwLock::new(None) };
        opened.with("open", |database| {
            let transaction = database.begin_write()?;
            for (_, definition) in TABLES {
                transaction.open_table(definition)?;
            }
            Ok(transaction.commit()?)
        })?;
        Ok(opened)
    }

    fn with<T>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, RecordError> {
        let result = loop {
            let held = self.database.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(database) = &*held {
                break work(database);
            }
            drop(held);
            self.reopen()?;
        };
        if result.as_ref().is_err_and(is_broken) {
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        result.map_err(|error| self.failed(what, error))
    }

    fn reopen(&self) -> Result<(), RecordError> {
        let mut held = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            let opened = Database::create(&self.path);
            *held = Some(opened.map_err(|error| self.failed("open", error.into()))?);
        }
        Ok(())
    }

    fn failed(&self, what: &'static str, error: redb::Error) -> RecordError {
        let path = self.path.display().to_string();
        match &error {
            redb::Error::Io(io) if is_full(io) => RecordError::Full(path),
            _ => RecordError::Store { what, path, source: error.into() },
        }
    }
}

/// Whether the database has to be opened anew.
fn is_broken(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::LockPoisoned(_))
}

fn definition(table: Table) -> Definition {
    let found = TABLES.iter().find(|(known, _)| *known == table);
    found.map_or(TableDefinition::new("settings"), |(_, definition)| *definition)
}

impl Records for Embedded {
    fn read(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        self.with("read", |database| {
            let table = database.begin_read()?.open_table(definition(table))?;
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    fn list(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, RecordError> {
        self.with("read", |database| {
            let table = database.begin_read()?.open_table(definition(table))?;
            let mut found = Vec::new();
            for entry in table.range(prefix..)? {
                let (key, value) = entry?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                found.push((key.value().to_owned(), value.value().to_vec()));
            }
            Ok(found)
        })
    }

    fn write(&self, condition: Option<&Condition>, writes: &[Write]) -> Result<bool, RecordError> {
        self.with("write to", |database| {
            let transaction = database.begin_write()?;
            if let Some(condition) = condition {
                let table = transaction.open_table(definition(condition.table))?;
                let found = table.get(condition.key.as_str())?;
                if found.map(|value| value.value().to_vec()) != condition.value {
                    return Ok(false);
                }
            }
            for write in writes {
                let mut table = transaction.open_table(definition(write.table))?;
                match &write.value {
                    Some(value) => table.insert(write.key.as_str(), value.as_slice())?,
                    None => table.remove(write.key.as_str())?,
                };
            }
            transaction.commit()?;
            Ok(true)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &str) -> Write {
        Write { table: Table::Heads, key: key.to_owned(), value: Some(value.as_bytes().to_vec()) }
    }

    /// What every store does.
    fn check(records: &dyn Records) {
        let absent = Condition { table: Table::Heads, key: "a".to_owned(), value: None };
        assert!(records.write(Some(&absent), &[put("a", "1"), put("ab", "2")]).unwrap());
        assert!(!records.write(Some(&absent), &[put("a", "3")]).unwrap());
        assert_eq!(records.read(Table::Heads, "a").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(records.list(Table::Heads, "ab").unwrap().len(), 1);
        assert_eq!(records.list(Table::Heads, "").unwrap().len(), 2);
        assert_eq!(records.list(Table::Deployments, "").unwrap().len(), 0);
        let gone = Write { value: None, ..put("ab", "") };
        assert!(records.write(None, &[gone]).unwrap());
        assert_eq!(records.list(Table::Heads, "").unwrap().len(), 1);
    }

    #[test]
    fn a_write_happens_only_when_its_condition_holds() {
        check(&super::super::Memory::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.redb");
        check(&Embedded::open(&path).unwrap());
        let records = Embedded::open(&path).unwrap();
        assert_eq!(records.read(Table::Heads, "a").unwrap().as_deref(), Some(&b"1"[..]));
    }

    #[test]
    fn a_store_belongs_to_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.redb");
        let _first = Embedded::open(&path).unwrap();
        let error = Embedded::open(&path).unwrap_err();
        assert!(error.to_string().contains("failed to open"), "{error}");
    }
}
