//! Records with their types: what the tables hold, under which keys, and how long.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Answer, AuditEntry, Condition, Deployment, RecordError, Records, Table, TokenRecord, Write};

/// How long the answer to an idempotency key is kept.
const ANSWERS: Duration = Duration::from_hours(24);
/// Lines of the audit log that are kept.
const AUDIT: usize = 10_000;

/// Typed access to records, off the threads that serve.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<dyn Records>);

/// What one step of a service changes, all at once.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) deployment: Deployment,
    /// Deployments that nobody will ask for any more.
    pub(crate) expired: Vec<u64>,
    pub(crate) answer: Option<(String, Answer)>,
    pub(crate) audit: AuditEntry,
}

impl Ledger {
    pub(crate) fn new(records: Arc<dyn Records>) -> Self {
        Self(records)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Records) -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        let records = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&*records)).await;
        done.unwrap_or_else(|lost| {
            Err(RecordError::Store { what: "use", path: "the records".to_owned(), source: lost.into() })
        })
    }

    async fn read<T: DeserializeOwned + Send + 'static>(
        &self,
        table: Table,
        key: String,
    ) -> Result<Option<T>, RecordError> {
        self.run(move |records| {
            records.read(table, &key)?.map(|bytes| decode(table, &key, &bytes)).transpose()
        })
        .await
    }

    async fn list<T: DeserializeOwned + Send + 'static>(
        &self,
        table: Table,
        prefix: String,
    ) -> Result<Vec<(String, T)>, RecordError> {
        self.run(move |records| {
            let found = records.list(table, &prefix)?.into_iter();
            found.map(|(key, bytes)| decode(table, &key, &bytes).map(|value| (key, value))).collect()
        })
        .await
    }

    /// The last deployment of each service.
    pub(crate) async fn heads(&self) -> Result<Vec<Deployment>, RecordError> {
        self.run(|records| {
            let mut heads = Vec::new();
            for (service, bytes) in records.list(Table::Heads, "")? {
                let number: u64 = decode(Table::Heads, &service, &bytes)?;
                let key = key(&service, number);
                let missing = || RecordError::Garbled(format!("heads/{service}"));
                let bytes = records.read(Table::Deployments, &key)?.ok_or_else(missing)?;
                heads.push(decode(Table::Deployments, &key, &bytes)?);
            }
            Ok(heads)
        })
        .await
    }

    /// All deployments of a service that are kept, the oldest first.
    pub(crate) async fn history(&self, service: &str) -> Result<Vec<Deployment>, RecordError> {
        let found = self.list(Table::Deployments, format!("{service}/")).await?;
        Ok(found.into_iter().map(|(_, deployment)| deployment).collect())
    }

    /// All deployments of all services.
    pub(crate) async fn deployments(&self) -> Result<Vec<Deployment>, RecordError> {
        let found = self.list(Table::Deployments, String::new()).await?;
        Ok(found.into_iter().map(|(_, deployment)| deployment).collect())
    }

    /// Adds a deployment after its parent; false when another came first.
    pub(crate) async fn commit(&self, step: Step) -> Result<bool, RecordError> {
        let Step { deployment, expired, answer, audit } = step;
        let service = deployment.service.clone();
        let condition = Condition {
            table: Table::Heads,
            key: service.clone(),
            value: deployment.parent.map(|number| encode(&number)),
        };
        let mut writes = vec![
            put(Table::Deployments, key(&service, deployment.number), &deployment),
            put(Table::Heads, service.clone(), &deployment.number),
            put(Table::Audit, audit_key(audit.at), &audit),
        ];
        writes.extend(expired.into_iter().map(|number| delete(Table::Deployments, key(&service, number))));
        writes.extend(answer.map(|(key, answer)| put(Table::Answers, key, &answer)));
        self.run(move |records| records.write(Some(&condition), &writes)).await
    }

    /// Forgets answers and lines of the audit log whose time is over.
    pub(crate) async fn tidy(&self, now: u64) -> Result<(), RecordError> {
        self.run(move |records| {
            let outdated = outdated(records, now)?;
            if outdated.is_empty() { Ok(()) } else { records.write(None, &outdated).map(drop) }
        })
        .await
    }

    /// The answer that was given to a key in the last 24 hours.
    pub(crate) async fn answer(&self, key: &str, now: u64) -> Result<Option<Answer>, RecordError> {
        let found: Option<Answer> = self.read(Table::Answers, key.to_owned()).await?;
        Ok(found.filter(|answer| is_fresh(answer.at, now)))
    }

    /// Notes what did not lead to a deployment.
    pub(crate) async fn audit(&self, entry: AuditEntry) -> Result<(), RecordError> {
        let write = put(Table::Audit, audit_key(entry.at), &entry);
        self.run(move |records| records.write(None, &[write]).map(drop)).await
    }

    /// The audit log, the oldest first.
    pub(crate) async fn audited(&self) -> Result<Vec<AuditEntry>, RecordError> {
        let found = self.list(Table::Audit, String::new()).await?;
        Ok(found.into_iter().map(|(_, entry)| entry).collect())
    }

    /// All tokens, by the hash of what their holders show.
    pub(crate) async fn tokens(&self) -> Result<Vec<(String, TokenRecord)>, RecordError> {
        self.list(Table::Tokens, String::new()).await
    }

    /// Adds a token, with its line of the audit log.
    pub(crate) async fn add_token(
        &self,
        hash: String,
        token: TokenRecord,
        audit: AuditEntry,
    ) -> Result<(), RecordError> {
        let writes = [put(Table::Tokens, hash, &token), put(Table::Audit, audit_key(audit.at), &audit)];
        self.run(move |records| records.write(None, &writes).map(drop)).await
    }

    /// Takes a token away, with its line of the audit log.
    pub(crate) async fn remove_token(&self, hash: String, audit: AuditEntry) -> Result<(), RecordError> {
        let writes = [delete(Table::Tokens, hash), put(Table::Audit, audit_key(audit.at), &audit)];
        self.run(move |records| records.write(None, &writes).map(drop)).await
    }
}

/// Answers and lines of the audit log whose time is over.
fn outdated(records: &dyn Records, now: u64) -> Result<Vec<Write>, RecordError> {
    let mut old = Vec::new();
    for (key, bytes) in records.list(Table::Answers, "")? {
        let answer: Result<Answer, _> = decode(Table::Answers, &key, &bytes);
        if !answer.is_ok_and(|answer| is_fresh(answer.at, now)) {
            old.push(delete(Table::Answers, key));
        }
    }
    let lines = records.list(Table::Audit, "")?;
    let over = lines.len().saturating_sub(AUDIT);
    old.extend(lines.into_iter().take(over).map(|(key, _)| delete(Table::Audit, key)));
    Ok(old)
}

fn is_fresh(at: u64, now: u64) -> bool {
    now.saturating_sub(at) < u64::try_from(ANSWERS.as_millis()).unwrap_or(u64::MAX)
}

/// In the order of numbers.
fn key(service: &str, number: u64) -> String {
    format!("{service}/{number:020}")
}

/// In the order of time; the rest tells lines of one millisecond apart.
fn audit_key(at: u64) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    format!("{at:020}/{:010}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

fn put<T: Serialize>(table: Table, key: String, value: &T) -> Write {
    Write { table, key, value: Some(encode(value)) }
}

fn delete(table: Table, key: String) -> Write {
    Write { table, key, value: None }
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("records are maps with text keys")
}

fn decode<T: DeserializeOwned>(table: Table, key: &str, bytes: &[u8]) -> Result<T, RecordError> {
    serde_json::from_slice(bytes).map_err(|_told| RecordError::Garbled(format!("{table:?}/{key}")))
}

/// Unix time in milliseconds.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
