//! One bucket, as guests, operators and embedders use it: checks what comes in, bounds every wait.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::poll;

use super::batch::{Applied, Batch, Change, Stored};
use super::range::Range;
use super::store::{Settings, Store};
use super::{
    Check, Condition, Entry, Error, Features, Inbox, IncrementItem, Mutation, Page, PutItem, ScanOptions,
    Version,
};

/// Items of one call: `wit/kv.wit`.
const MOST_ITEMS: usize = 1_000;
/// Bytes of values that one `get-many` gives; a scan gives as many and goes on with its cursor.
const LARGEST_ANSWER: usize = 4 << 20;
/// Milliseconds; together with any time of today below 2^53.
const LONGEST_TTL: u64 = 1 << 52;
/// How long any operation may take, whatever its store waits for.
const PATIENCE: Duration = Duration::from_secs(5);

/// One bucket. Cheap to clone; every method is described in `wit/kv.wit`.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn Store>,
    settings: Arc<Settings>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.settings.name)
    }
}

impl Bucket {
    pub(super) fn new(store: Arc<dyn Store>, settings: Settings) -> Self {
        Self { store, settings: Arc::new(settings) }
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// As in the grant `kv.<name>`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What this bucket can do. Asks the server where only that knows (whether it is durable).
    ///
    /// # Errors
    /// `unavailable` when the server does not answer.
    pub async fn features(&self) -> Result<Features, Error> {
        bounded(self.store.features()).await
    }

    /// The entry of a key.
    ///
    /// # Errors
    /// A key that is none; whatever keeps the store from answering.
    pub async fn get(&self, key: String) -> Result<Option<Entry>, Error> {
        let found = self.get_many(&[key]).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// The entries of up to 1,000 keys, with up to 4 MiB of values.
    ///
    /// # Errors
    /// As [`Bucket::get`], and `limit-exceeded`.
    pub async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, Error> {
        check_count(keys.len())?;
        keys.iter().try_for_each(|key| self.check_key(key))?;
        let found = bounded(self.store.get(&self.settings, keys, LARGEST_ANSWER)).await?;
        Ok(found.into_iter().map(|stored| stored.map(Entry::from)).collect())
    }

    /// Stores a value; none when the condition did not hold.
    ///
    /// # Errors
    /// A key, value or ttl out of bounds, a full bucket; whatever keeps the store from answering.
    pub async fn put(&self, item: PutItem, condition: Condition) -> Result<Option<Version>, Error> {
        let checks = match condition {
            Condition::Always => Vec::new(),
            condition => vec![Check { key: item.key.clone(), condition }],
        };
        Ok(self.apply(checks, vec![put(item)]).await?.map(|applied| applied.version))
    }

    /// Stores up to 1,000 values.
    ///
    /// # Errors
    /// As [`Bucket::put`]; some may be stored.
    pub async fn put_many(&self, items: Vec<PutItem>) -> Result<(), Error> {
        self.apply(Vec::new(), items.into_iter().map(put).collect()).await.map(drop)
    }

    /// Deletes a key; false when there was none or the condition did not hold.
    ///
    /// # Errors
    /// A key that is none; whatever keeps the store from answering.
    pub async fn delete(&self, key: String, condition: Condition) -> Result<bool, Error> {
        // Every condition but these two asks for a key that is there.
        let condition = match condition {
            Condition::Always => Condition::IfPresent,
            Condition::IfAbsent => return self.check_key(&key).map(|()| false),
            condition => condition,
        };
        let checks = vec![Check { key: key.clone(), condition }];
        Ok(self.apply(checks, vec![Change::Delete(key)]).await?.is_some())
    }

    /// Deletes up to 1,000 keys, those that are there.
    ///
    /// # Errors
    /// As [`Bucket::delete`]; some may be deleted.
    pub async fn delete_many(&self, keys: Vec<String>) -> Result<(), Error> {
        self.apply(Vec::new(), keys.into_iter().map(Change::Delete).collect()).await.map(drop)
    }

    /// Adds to a number.
    ///
    /// # Errors
    /// `invalid-argument` for a value that is no number and a sum out of range; as [`Bucket::put`].
    pub async fn increment(
        &self,
        item: IncrementItem,
        initial: i64,
        ttl_ms: Option<u64>,
    ) -> Result<i64, Error> {
        let change = Change::Increment { key: item.key, delta: item.delta, initial, ttl_ms: ttl(ttl_ms) };
        let sum = self.apply(Vec::new(), vec![change]).await?.and_then(|a| a.sums.first().copied());
        sum.ok_or_else(|| Error::Other("the store gave no sum".to_owned()))
    }

    /// One page of up to 1,000 entries and 4 MiB of values.
    ///
    /// # Errors
    /// Options that contradict themselves; whatever keeps the store from answering.
    pub async fn scan(&self, options: ScanOptions) -> Result<Page, Error> {
        let range = Range::of(options)?;
        if range.is_empty() {
            return Ok(Page { entries: Vec::new(), next: None });
        }
        let entries = bounded(self.store.scan(&self.settings, &range)).await?;
        Ok(range.page(entries))
    }

    /// Up to 1,000 changes at one instant, if all of up to 1,000 checks hold.
    ///
    /// # Errors
    /// As [`Bucket::put`] and [`Bucket::increment`]; nothing changed, but for `timeout` and `connection-lost`.
    /// `unsupported` where the store has no transactions.
    pub async fn transact(
        &self,
        checks: Vec<Check>,
        mutations: Vec<Mutation>,
    ) -> Result<Option<Version>, Error> {
        if !self.store.transacts() {
            return Err(Error::Unsupported("this bucket has no transactions".to_owned()));
        }
        let changes = mutations.into_iter().map(change).collect();
        Ok(self.apply(checks, changes).await?.map(|applied| applied.version))
    }

    /// Tells the inbox of changes until the store cannot any more.
    pub(crate) async fn watch(&self, inbox: &Arc<Inbox>) -> Error {
        self.store.watch(&self.settings, inbox).await
    }

    async fn apply(&self, checks: Vec<Check>, changes: Vec<Change>) -> Result<Option<Applied>, Error> {
        check_count(checks.len().max(changes.len()))?;
        checks.iter().try_for_each(|check| self.check_key(&check.key))?;
        changes.iter().try_for_each(|change| self.check_change(change))?;
        bounded(self.store.apply(&self.settings, Batch { checks, changes })).await
    }

    fn check_key(&self, key: &str) -> Result<(), Error> {
        let most = self.settings.key;
        match key.len() {
            0 => Err(Error::InvalidArgument("the key is empty".to_owned())),
            length if length <= most => Ok(()),
            length => {
                Err(Error::LimitExceeded(format!("the key has {length} bytes; at most {most} are taken")))
            }
        }
    }

    fn check_change(&self, change: &Change) -> Result<(), Error> {
        let (key, value, ttl) = match change {
            Change::Put { key, value, ttl_ms } => (key, value.len(), *ttl_ms),
            Change::Delete(key) => (key, 0, None),
            Change::Increment { key, ttl_ms, .. } => (key, 0, *ttl_ms),
        };
        self.check_key(key)?;
        let most = self.settings.value;
        if value > most {
            let why = format!("the value has {value} bytes; at most {most} are taken");
            return Err(Error::LimitExceeded(why));
        }
        if ttl == Some(0) {
            return Err(Error::InvalidArgument("the ttl is 0: delete the key instead".to_owned()));
        }
        Ok(())
    }
}

/// Ends what takes too long. A store that answers at once, as memory does, pays for no timer.
pub(super) async fn bounded<T>(operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut operation = pin!(operation);
    if let std::task::Poll::Ready(answer) = poll!(operation.as_mut()) {
        return answer;
    }
    tokio::time::timeout(PATIENCE, operation).await.unwrap_or(Err(Error::Timeout))
}

fn put(item: PutItem) -> Change {
    Change::Put { key: item.key, value: item.value, ttl_ms: ttl(item.ttl_ms) }
}

/// Spans that end beyond what every store can count are none.
fn ttl(ttl_ms: Option<u64>) -> Option<u64> {
    ttl_ms.filter(|ttl| *ttl <= LONGEST_TTL)
}

fn change(mutation: Mutation) -> Change {
    match mutation {
        Mutation::Put(item) => put(item),
        Mutation::Delete(key) => Change::Delete(key),
        Mutation::Increment(item) => {
            Change::Increment { key: item.key, delta: item.delta, initial: 0, ttl_ms: None }
        }
    }
}

fn check_count(count: usize) -> Result<(), Error> {
    if count <= MOST_ITEMS {
        return Ok(());
    }
    Err(Error::LimitExceeded(format!("{count} items in one call; at most {MOST_ITEMS} are taken")))
}

impl From<Stored> for Entry {
    fn from(stored: Stored) -> Self {
        Self { value: stored.value, version: stored.version, expires_at: stored.expires_at }
    }
}
