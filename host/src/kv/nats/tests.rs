//! The store against a server of its own: what `wit/kv.wit` promises, and what happens when the server goes away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wharf_servers::Kind;

use super::super::{
    Bucket, BucketConfig, Condition, Error, Features, Inbox, IncrementItem, KvStorage, PutItem, ScanOptions,
    Stores, Word, now,
};
use super::litter::GRACE;
use super::room::UNBOUNDED;
use super::{Batch, Change, Nats, Settings, Store};
use crate::Config;
use crate::manifest::ByteSize;

/// A server of this test's own.
struct Server(wharf_servers::Server);

impl Server {
    fn start() -> Self {
        Self::with("")
    }

    fn with(lines: &str) -> Self {
        Self(wharf_servers::Server::with(Kind::Nats, lines).unwrap())
    }

    fn stores(&self, buckets: impl IntoIterator<Item = (&'static str, BucketConfig)>) -> Stores {
        self.stores_of("", buckets)
    }

    fn stores_of(
        &self,
        user: &str,
        buckets: impl IntoIterator<Item = (&'static str, BucketConfig)>,
    ) -> Stores {
        let kv = KvStorage::Nats(format!("nats://{user}{}", self.0.address()));
        let buckets = buckets.into_iter().map(|(name, bucket)| (name.to_owned(), bucket)).collect();
        Stores::open(&Config { kv, buckets, ..Config::default() }).unwrap()
    }

    fn bucket(&self) -> Bucket {
        self.stores([]).bucket("b")
    }
}

fn item(key: &str, value: impl Into<Vec<u8>>) -> PutItem {
    PutItem { key: key.to_owned(), value: value.into(), ttl_ms: None }
}

fn brief(key: &str, ttl: u64) -> PutItem {
    PutItem { ttl_ms: Some(ttl), ..item(key, "v") }
}

async fn value(bucket: &Bucket, key: &str) -> Option<String> {
    let entry = bucket.get(key.to_owned()).await.unwrap();
    entry.map(|entry| String::from_utf8(entry.value).unwrap())
}

async fn increment(bucket: &Bucket, key: &str, delta: i64) -> Result<i64, Error> {
    bucket.increment(IncrementItem { key: key.to_owned(), delta }, 0, None).await
}

fn all() -> ScanOptions {
    ScanOptions {
        prefix: String::new(),
        start: None,
        end: None,
        reverse: false,
        keys_only: false,
        limit: 1_000,
        cursor: None,
    }
}

/// All keys, page by page.
async fn keys(bucket: &Bucket, mut options: ScanOptions) -> Vec<String> {
    let mut keys = Vec::new();
    loop {
        let page = bucket.scan(options.clone()).await.unwrap();
        keys.extend(page.entries.into_iter().map(|(key, _)| key));
        options.cursor = page.next;
        if options.cursor.is_none() {
            return keys;
        }
    }
}

async fn until_expired(bucket: &Bucket, key: &str) {
    while bucket.get(key.to_owned()).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn entries_come_back_and_go() {
    let server = Server::start();
    let bucket = server.bucket();
    assert_eq!(value(&bucket, "a").await, None);
    assert!(!bucket.delete("a".into(), Condition::Always).await.unwrap());
    let long = "\u{1f600}".repeat(256);
    for key in ["a", "\0", "a.b", "*", ">", "x y", long.as_str()] {
        let version = bucket.put(item(key, key), Condition::Always).await.unwrap();
        let entry = bucket.get(key.to_owned()).await.unwrap().unwrap();
        assert_eq!((entry.value.as_slice(), Some(entry.version)), (key.as_bytes(), version));
    }
    bucket.put(item("a", ""), Condition::Always).await.unwrap();
    assert_eq!(value(&bucket, "a").await.as_deref(), Some(""));
    assert!(bucket.delete("a".into(), Condition::Always).await.unwrap());
    assert!(!bucket.delete("a".into(), Condition::Always).await.unwrap());
    assert_eq!(value(&bucket, "a").await, None);
    let found = bucket.get_many(&["a".into(), long.clone(), ">".into(), long.clone()]).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|entry| entry.map(|entry| entry.value)).collect();
    assert_eq!(found, [None, Some(long.clone().into()), Some(">".into()), Some(long.into())]);
    assert!(!bucket.features().await.unwrap().contains(Features::TRANSACTIONS));
    assert!(matches!(bucket.transact(vec![], vec![]).await, Err(Error::Unsupported(_))));
}

#[tokio::test]
async fn conditions_hold_or_nothing_happens() {
    let server = Server::start();
    let bucket = server.bucket();
    let put = |value: &'static str, condition| bucket.put(item("k", value), condition);
    assert_eq!(put("1", Condition::IfPresent).await.unwrap(), None);
    assert_eq!(put("1", Condition::IfVersion(1)).await.unwrap(), None);
    let first = put("1", Condition::IfAbsent).await.unwrap().unwrap();
    assert_eq!(put("2", Condition::IfAbsent).await.unwrap(), None);
    let second = put("2", Condition::IfVersion(first)).await.unwrap().unwrap();
    assert_eq!(put("3", Condition::IfVersion(first)).await.unwrap(), None);
    assert_eq!(value(&bucket, "k").await.as_deref(), Some("2"));
    assert!(!bucket.delete("k".into(), Condition::IfVersion(first)).await.unwrap());
    assert!(bucket.delete("k".into(), Condition::IfVersion(second)).await.unwrap());
    assert_eq!(put("4", Condition::IfPresent).await.unwrap(), None);
    assert!(
        put("4", Condition::IfAbsent).await.unwrap().unwrap() > second,
        "over the mark of the deleted one"
    );
    assert!(put("5", Condition::IfPresent).await.unwrap().is_some());
}

#[tokio::test]
async fn expired_entries_are_absent_to_all() {
    let server = Server::start();
    let bucket = server.bucket();
    let before = now();
    bucket.put(brief("k", 60), Condition::Always).await.unwrap();
    let expires_at = bucket.get("k".into()).await.unwrap().unwrap().expires_at.unwrap();
    assert!((before + 60..=now() + 60).contains(&expires_at));
    until_expired(&bucket, "k").await;
    assert!(now() >= expires_at);
    assert!(!bucket.delete("k".into(), Condition::Always).await.unwrap());
    assert_eq!(bucket.put(item("k", "x"), Condition::IfPresent).await.unwrap(), None);
    assert!(keys(&bucket, all()).await.is_empty());
    assert!(bucket.put(item("k", "x"), Condition::IfAbsent).await.unwrap().is_some());
    assert_eq!(bucket.get("k".into()).await.unwrap().unwrap().expires_at, None);
    bucket.put(brief("n", 30), Condition::Always).await.unwrap();
    until_expired(&bucket, "n").await;
    assert_eq!(increment(&bucket, "n", 5).await.unwrap(), 5, "an expired entry is no number to add to");
}

#[tokio::test]
async fn numbers_are_counted_as_everywhere() {
    let server = Server::start();
    let bucket = server.bucket();
    assert_eq!(increment(&bucket, "n", -3).await.unwrap(), -3);
    assert_eq!(increment(&bucket, "n", 10).await.unwrap(), 7);
    assert_eq!(value(&bucket, "n").await.as_deref(), Some("7"));
    assert!(matches!(increment(&bucket, "n", i64::MAX).await, Err(Error::InvalidArgument(_))));
    bucket.put(item("n", "07"), Condition::Always).await.unwrap();
    assert!(matches!(increment(&bucket, "n", 1).await, Err(Error::InvalidArgument(_))));
    assert_eq!(value(&bucket, "n").await.as_deref(), Some("07"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_one_wins_and_every_increment_counts() {
    let server = Server::start();
    let (one, other) = (server.bucket(), server.bucket());
    for round in 0..3 {
        let key = format!("k{round}");
        let writers = (0..64).map(|n| {
            let (bucket, key) = (if n % 2 == 0 { one.clone() } else { other.clone() }, key.clone());
            tokio::spawn(
                async move { bucket.put(item(&key, n.to_string()), Condition::IfAbsent).await.unwrap() },
            )
        });
        let won = futures_util::future::join_all(writers).await;
        assert_eq!(won.into_iter().filter(|version| version.as_ref().unwrap().is_some()).count(), 1);
    }
    let begun = Instant::now();
    let writers = (0..64).map(|n| {
        let bucket = if n % 2 == 0 { one.clone() } else { other.clone() };
        tokio::spawn(async move { increment(&bucket, "n", 1).await.unwrap() })
    });
    let mut sums: Vec<_> =
        futures_util::future::join_all(writers).await.into_iter().map(|sum| sum.unwrap()).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=64).collect::<Vec<_>>());
    println!("64 increments took {:?}", begun.elapsed());
}

#[tokio::test]
async fn scans_are_in_order_and_in_pages() {
    let server = Server::start();
    let bucket = server.bucket();
    assert!(keys(&bucket, all()).await.is_empty());
    assert!(!server.stores([]).bucket("other").delete("x".into(), Condition::Always).await.unwrap());
    let mut expected: Vec<String> = (0..250).map(|n| format!("k/{n}")).collect();
    expected.extend(["a", "a.b", "a b", "ä", "\0"].map(str::to_owned));
    for items in expected.chunks(100) {
        bucket.put_many(items.iter().map(|key| item(key, key.as_str())).collect()).await.unwrap();
    }
    bucket.put(item("gone", "x"), Condition::Always).await.unwrap();
    bucket.put(brief("brief", 1), Condition::Always).await.unwrap();
    bucket.delete_many(vec!["gone".into(), "never".into()]).await.unwrap();
    until_expired(&bucket, "brief").await;
    expected.sort();
    assert_eq!(keys(&bucket, ScanOptions { limit: 7, ..all() }).await, expected);
    assert_eq!(keys(&bucket, ScanOptions { limit: 1_000, ..all() }).await, expected);
    expected.reverse();
    assert_eq!(keys(&bucket, ScanOptions { limit: 11, reverse: true, ..all() }).await, expected);
    let a = ScanOptions { prefix: "a".into(), start: Some("a ".into()), ..all() };
    assert_eq!(keys(&bucket, a).await, ["a b", "a.b"]);
    let page = bucket.scan(ScanOptions { prefix: "k/24".into(), limit: 2, ..all() }).await.unwrap();
    let shown: Vec<_> = page.entries.iter().map(|(key, e)| (key.as_str(), e.value.as_slice())).collect();
    assert_eq!(shown, [("k/24", &b"k/24"[..]), ("k/240", &b"k/240"[..])]);
    let page = bucket.scan(ScanOptions { keys_only: true, limit: 1, ..all() }).await.unwrap();
    assert!(page.entries[0].1.value.is_empty());
}

#[tokio::test]
async fn large_values_are_paged_or_refused() {
    let server = Server::start();
    let config = BucketConfig { value: ByteSize::mib(4), ..BucketConfig::default() };
    let bucket = server.stores([("b", config)]).bucket("b");
    let mib = vec![7; 1 << 20];
    for n in 0..10 {
        bucket.put(item(&n.to_string(), mib.clone()), Condition::Always).await.unwrap();
    }
    let page = bucket.scan(all()).await.unwrap();
    assert_eq!((page.entries.len(), page.next.as_deref()), (4, Some("3")));
    assert!(page.entries.iter().all(|(_, entry)| entry.value == mib));
    assert_eq!(keys(&bucket, all()).await.len(), 10);
    let many: Vec<_> = (0..5).map(|n| n.to_string()).collect();
    assert!(matches!(bucket.get_many(&many).await, Err(Error::LimitExceeded(_))));
    let error = bucket.put(item("x", vec![0; (1 << 20) + 1]), Condition::Always).await.unwrap_err();
    assert!(matches!(&error, Error::LimitExceeded(text) if text.contains("1048576")), "{error:?}");
    let error = bucket.put(item("x", mib), Condition::IfAbsent).await.unwrap_err();
    assert!(matches!(error, Error::LimitExceeded(_)), "there is no room for the condition: {error:?}");
    assert_eq!(value(&bucket, "x").await, None);
}

#[tokio::test]
async fn the_later_of_two_puts_of_one_call_counts() {
    let server = Server::start();
    let bucket = server.bucket();
    for _ in 0..10 {
        bucket.put_many(vec![item("k", "1"), item("l", "1"), item("k", "2")]).await.unwrap();
        assert_eq!(value(&bucket, "k").await.as_deref(), Some("2"));
        bucket.put(item("k", "3"), Condition::Always).await.unwrap();
    }
}

fn is_full(error: &Error, most: &str) -> bool {
    matches!(error, Error::LimitExceeded(text) if text.ends_with(most))
}

#[tokio::test]
async fn what_is_gone_is_cleared_away_and_nothing_newer() {
    let server = Server::start();
    let store = Nats::open(&server.0.url()).unwrap();
    let settings = Settings { name: "b".into(), key: 1_024, value: 1_024, quota: UNBOUNDED };
    let (store, settings) = (Arc::new(store), Arc::new(settings));
    let apply = async |change| {
        Store::apply(&*store, &settings, Batch { checks: vec![], changes: vec![change] }).await.unwrap();
    };
    let put = |key: &str, ttl_ms| Change::Put { key: key.to_owned(), value: vec![1], ttl_ms };
    for key in ["deleted", "again", "kept"] {
        apply(put(key, None)).await;
    }
    apply(put("expired", Some(1))).await;
    apply(Change::Delete("deleted".into())).await;
    apply(Change::Delete("again".into())).await;
    apply(put("again", None)).await;
    let bucket = server.bucket();
    until_expired(&bucket, "expired").await;
    let line = store.line().await.unwrap();
    assert!(store.read(&line, &settings, "expired").await.unwrap().is_some());
    store.litter.tidy(&line, tokio::time::Instant::now() + GRACE, 10).await.unwrap();
    for gone in ["expired", "deleted"] {
        while store.read(&line, &settings, gone).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(keys(&bucket, all()).await, ["again", "kept"]);
}

/// As many as take several requests, some of them written anew again and again while they pass by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_misses_nothing_that_is_there_all_the_time() {
    let server = Server::start();
    let bucket = server.bucket();
    let names: Vec<String> = (0..5_000).map(|n| format!("{n:05}")).collect();
    for names in names.chunks(1_000) {
        bucket.put_many(names.iter().map(|key| item(key, "v")).collect()).await.unwrap();
    }
    let (writer, written) = (bucket.clone(), names.clone());
    let writing = tokio::spawn(async move {
        for key in written.iter().cycle() {
            writer.put(item(key, "w"), Condition::Always).await.unwrap();
        }
    });
    for limit in [1_000, 700] {
        let begun = Instant::now();
        assert_eq!(keys(&bucket, ScanOptions { limit, ..all() }).await, names);
        println!("pages of {limit} out of 5,000: {:?}", begun.elapsed());
    }
    writing.abort();
}

#[tokio::test]
async fn a_full_bucket_takes_what_does_not_grow() {
    let server = Server::start();
    let few = BucketConfig { entries: Some(2), ..BucketConfig::default() };
    let small = BucketConfig { bytes: Some(ByteSize::bytes(40)), ..BucketConfig::default() };
    let stores = server.stores([("few", few), ("small", small)]);
    let bucket = stores.bucket("few");
    let put = |key: &'static str| bucket.put(item(key, "v"), Condition::Always);
    for key in ["a", "b", "b"] {
        put(key).await.unwrap();
    }
    let refused = put("c").await.unwrap_err();
    assert!(is_full(&refused, "2 entries"), "{refused:?}");
    assert!(matches!(increment(&bucket, "n", 1).await, Err(Error::LimitExceeded(_))));
    assert!(bucket.delete("a".into(), Condition::Always).await.unwrap());
    put("c").await.unwrap();
    put("a").await.unwrap_err();
    bucket.put(brief("b", 1), Condition::Always).await.unwrap();
    until_expired(&bucket, "b").await;
    put("d").await.unwrap();

    let bucket = stores.bucket("small");
    bucket.put(item("k", vec![0; 30]), Condition::Always).await.unwrap();
    bucket.put(item("l", vec![0; 8]), Condition::Always).await.unwrap();
    let refused = bucket.put(item("l", vec![0; 9]), Condition::Always).await.unwrap_err();
    assert!(is_full(&refused, "40 bytes"), "{refused:?}");
    bucket.put(item("k", vec![0; 29]), Condition::Always).await.unwrap();
    bucket.put(item("l", vec![0; 9]), Condition::Always).await.unwrap();
}

/// Watches until dropped.
struct Watcher {
    inbox: Arc<Inbox>,
    watching: tokio::task::JoinHandle<Error>,
}

impl Watcher {
    async fn start(bucket: &Bucket) -> Self {
        let inbox = Arc::new(Inbox::new(vec![String::new()]));
        let (bucket, told) = (bucket.clone(), inbox.clone());
        let watching = tokio::spawn(async move { bucket.watch(&told).await });
        let watcher = Self { inbox, watching };
        assert!(matches!(watcher.next().await, Word::Watching(_)));
        watcher
    }

    async fn next(&self) -> Word {
        tokio::time::timeout(Duration::from_secs(5), self.inbox.next()).await.expect("a word")
    }

    async fn assert_key(&self, key: &str) {
        assert_eq!(self.next().await, Word::Key(key.to_owned()));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

#[tokio::test]
async fn a_watcher_is_told_of_writes_deletions_and_expiries() {
    let server = Server::start();
    let bucket = server.bucket();
    let begun = Instant::now();
    for n in 0..50 {
        bucket.put(item(&format!("old{n}"), "v"), Condition::Always).await.unwrap();
    }
    bucket.put(brief("soon", 1_000), Condition::Always).await.unwrap();
    let watcher = Watcher::start(&bucket).await;
    bucket.put(item("k", "v"), Condition::Always).await.unwrap();
    watcher.assert_key("k").await;
    bucket.delete("k".into(), Condition::Always).await.unwrap();
    watcher.assert_key("k").await;
    let other = server.bucket();
    other.put(brief("brief", 20), Condition::Always).await.unwrap();
    watcher.assert_key("brief").await;
    watcher.assert_key("brief").await;
    assert_eq!(value(&bucket, "brief").await, None);
    watcher.assert_key("soon").await;
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "it is told when it expires, not when watching begins"
    );
}

#[tokio::test]
async fn a_server_that_goes_away_is_an_error_and_its_values_stay() {
    let mut server = Server::start();
    let bucket = server.bucket();
    bucket.put(item("k", "v"), Condition::Always).await.unwrap();
    let mut watcher = Watcher::start(&bucket).await;
    server.0.kill().unwrap();
    let begun = Instant::now();
    let error = tokio::time::timeout(Duration::from_secs(3), &mut watcher.watching).await.unwrap().unwrap();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let error = bucket.get("k".into()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let error = bucket.put(item("k", "w"), Condition::Always).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    server.0.restart().unwrap();
    assert_eq!(value(&bucket, "k").await.as_deref(), Some("v"));
    bucket.put(item("k", "w"), Condition::IfPresent).await.unwrap().unwrap();
    let watcher = Watcher::start(&bucket).await;
    bucket.put(item("l", "v"), Condition::Always).await.unwrap();
    watcher.assert_key("l").await;
}

#[tokio::test]
async fn a_server_that_goes_silent_is_found_out() {
    let server = Server::start();
    let bucket = server.bucket();
    bucket.put(item("k", "v"), Condition::Always).await.unwrap();
    let mut watcher = Watcher::start(&bucket).await;
    server.0.pause().unwrap();
    let begun = Instant::now();
    let (put, got) = tokio::join!(bucket.put(item("k", "w"), Condition::Always), bucket.get("k".to_owned()));
    assert!(matches!((&put, &got), (Err(Error::Timeout), Err(Error::Timeout))), "{put:?} {got:?}");
    assert!(begun.elapsed() < Duration::from_secs(4));
    let error = bucket.get("k".into()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let error = tokio::time::timeout(Duration::from_secs(15), &mut watcher.watching).await.unwrap().unwrap();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    server.0.resume().unwrap();
    assert!(value(&bucket, "k").await.is_some());
}

#[tokio::test]
async fn who_may_not_is_denied() {
    let server = Server::with(
        "authorization { users = [ { user: all, password: pw }, { user: some, password: pw, permissions: { \
         publish: [\"$JS.API.>\"], subscribe: [\"_INBOX.>\"] } } ] }",
    );
    let bucket = server.stores_of("all:pw@", []).bucket("b");
    bucket.put(item("k", "v"), Condition::Always).await.unwrap();
    let reader = server.stores_of("some:pw@", []).bucket("b");
    assert_eq!(value(&reader, "k").await.as_deref(), Some("v"));
    let error = reader.put(item("k", "w"), Condition::Always).await.unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error:?}");
    let nobody = server.stores_of("all:wrong@", []).bucket("b");
    let error = nobody.get("k".into()).await.unwrap_err();
    assert!(matches!(&error, Error::Denied(text) if !text.contains("wrong")), "{error:?}");
}

#[test]
fn the_end_of_a_runtime_is_not_the_end_of_the_store() {
    let server = Server::start();
    let bucket = server.bucket();
    for n in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(bucket.put(item("k", n.to_string()), Condition::Always)).unwrap();
        drop(runtime);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(value(&bucket, "k")).as_deref(), Some("2"));
}
