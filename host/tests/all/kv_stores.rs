//! Every store of buckets, without guests: races, histories, quotas, and servers that go away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wharf_host::kv::{
    Bucket, BucketConfig, Condition, Error, Features, IncrementItem, KvStorage, PutItem, ScanOptions, Stores,
};
use wharf_host::{ByteSize, Config};
use wharf_postgres::PrivatePostgres;
use wharf_servers::{Kind, Server};

/// One of each, and what keeps it running.
struct World {
    stores: Vec<(&'static str, KvStorage)>,
    _postgres: PrivatePostgres,
    _servers: [Server; 2],
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let postgres = PrivatePostgres::temporary().await.unwrap();
        postgres.create_database("buckets").await.unwrap();
        let servers = [Server::start(Kind::Redis).unwrap(), Server::start(Kind::Nats).unwrap()];
        let folder = tempfile::tempdir().unwrap();
        let stores = vec![
            ("memory", KvStorage::Memory),
            ("embedded", KvStorage::Folder(folder.path().to_owned())),
            ("postgres", KvStorage::Postgres(postgres.connection_url("buckets"))),
            ("redis", KvStorage::Redis(servers[0].url())),
            ("nats", KvStorage::Nats(servers[1].url())),
        ];
        Self { stores, _postgres: postgres, _servers: servers, _folder: folder }
    }
}

fn open(storage: &KvStorage, bucket: BucketConfig) -> Bucket {
    let mut config = Config::default();
    config.kv = storage.clone();
    config.buckets.insert("tested".to_owned(), bucket);
    Stores::open(&config).unwrap().bucket("tested")
}

fn item(key: &str, value: impl Into<Vec<u8>>) -> PutItem {
    PutItem { key: key.to_owned(), value: value.into(), ttl_ms: None }
}

async fn put(bucket: &Bucket, key: &str, value: impl Into<Vec<u8>>) -> Result<Option<u64>, Error> {
    bucket.put(item(key, value), Condition::Always).await
}

async fn text(bucket: &Bucket, key: &str) -> Option<String> {
    let entry = bucket.get(key.to_owned()).await.unwrap();
    entry.map(|entry| String::from_utf8(entry.value).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_racing_writers_exactly_one_finds_a_key_absent_and_no_increment_is_lost() {
    let world = World::new().await;
    for (name, storage) in &world.stores {
        let bucket = open(storage, BucketConfig::default());
        let racers = (0..64).map(|n| {
            let bucket = bucket.clone();
            tokio::spawn(async move {
                bucket.put(item("race", n.to_string()), Condition::IfAbsent).await.unwrap().is_some()
            })
        });
        let mut winners = Vec::new();
        for (n, racer) in racers.collect::<Vec<_>>().into_iter().enumerate() {
            if racer.await.unwrap() {
                winners.push(n.to_string());
            }
        }
        assert_eq!(winners.len(), 1, "{name}");
        assert_eq!(text(&bucket, "race").await, winners.pop(), "{name}");

        let counters = (0..64).map(|_| {
            let bucket = bucket.clone();
            let item = IncrementItem { key: "count".to_owned(), delta: 1 };
            tokio::spawn(async move { bucket.increment(item, 0, None).await.unwrap() })
        });
        let mut sums = Vec::new();
        for counter in counters.collect::<Vec<_>>() {
            sums.push(counter.await.unwrap());
        }
        sums.sort_unstable();
        assert_eq!(sums, (1..=64).collect::<Vec<_>>(), "{name}");
    }
}

/// What a client did to one key, and when.
#[derive(Clone, Debug)]
struct Call {
    did: Did,
    from: Instant,
    to: Instant,
}

#[derive(Clone, Debug, PartialEq)]
enum Did {
    Wrote(u64),
    /// Replaced the first value by the second; false when it was not there.
    Swapped(u64, u64, bool),
    Read(Option<u64>),
    Deleted(bool),
}

impl Did {
    /// What the key holds after this, if it can have happened when it held `value`.
    fn after(&self, value: Option<u64>) -> Option<Option<u64>> {
        match *self {
            Self::Wrote(new) => Some(Some(new)),
            Self::Swapped(old, new, true) => (value == Some(old)).then_some(Some(new)),
            Self::Swapped(old, _, false) => (value != Some(old)).then_some(value),
            Self::Read(seen) => (seen == value).then_some(value),
            Self::Deleted(there) => (there == value.is_some()).then_some(None),
        }
    }
}

/// Whether the calls can have happened one after the other, each at a moment between its beginning and its end
/// (Wing and Gong's search, remembering what was tried).
fn is_linearizable(calls: &[Call]) -> bool {
    assert!(calls.len() < 128);
    let mut tried = HashMap::new();
    search(calls, 0, None, &mut tried)
}

fn search(
    calls: &[Call],
    done: u128,
    value: Option<u64>,
    tried: &mut HashMap<(u128, Option<u64>), ()>,
) -> bool {
    if done.count_ones() as usize == calls.len() {
        return true;
    }
    if tried.insert((done, value), ()).is_some() {
        return false;
    }
    let open = || calls.iter().enumerate().filter(|(n, _)| done & (1 << n) == 0);
    let first_end = open().map(|(_, call)| call.to).min().unwrap();
    open().filter(|(_, call)| call.from <= first_end).any(|(n, call)| {
        call.did.after(value).is_some_and(|after| search(calls, done | 1 << n, after, tried))
    })
}

#[test]
fn the_checker_tells_a_stale_read_from_a_concurrent_one() {
    let begun = Instant::now();
    let at = |ms: u64| begun + Duration::from_millis(ms);
    let call = |did, from, to| Call { did, from: at(from), to: at(to) };
    let concurrent = [call(Did::Wrote(1), 0, 10), call(Did::Read(None), 5, 15)];
    assert!(is_linearizable(&concurrent));
    let stale = [call(Did::Wrote(1), 0, 10), call(Did::Read(None), 11, 15)];
    assert!(!is_linearizable(&stale));
    let twice = [
        call(Did::Wrote(1), 0, 1),
        call(Did::Swapped(1, 2, true), 2, 9),
        call(Did::Swapped(1, 3, true), 2, 9),
    ];
    assert!(!is_linearizable(&twice), "two swaps of one value");
}

async fn client(bucket: Bucket, key: String, client: u64, random: &mut fastrand::Rng) -> Vec<Call> {
    let mut calls = Vec::new();
    for n in 0..8 {
        let new = client * 1_000 + n;
        let number = |entry: wharf_host::kv::Entry| {
            (String::from_utf8(entry.value).unwrap().parse().unwrap(), entry.version)
        };
        let mut from = Instant::now();
        let did = match random.u8(..10) {
            0..3 => {
                bucket.put(item(&key, new.to_string()), Condition::Always).await.unwrap();
                Did::Wrote(new)
            }
            3..6 => {
                let seen = bucket.get(key.clone()).await.unwrap().map(number);
                calls.push(Call { did: Did::Read(seen.map(|seen| seen.0)), from, to: Instant::now() });
                let Some((old, version)) = seen else { continue };
                from = Instant::now();
                let swap =
                    bucket.put(item(&key, new.to_string()), Condition::IfVersion(version)).await.unwrap();
                // Values are unique, so a version is there exactly as long as its value.
                Did::Swapped(old, new, swap.is_some())
            }
            6..7 => Did::Deleted(bucket.delete(key.clone(), Condition::Always).await.unwrap()),
            _ => Did::Read(bucket.get(key.clone()).await.unwrap().map(|entry| number(entry).0)),
        };
        calls.push(Call { did, from, to: Instant::now() });
    }
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn histories_of_concurrent_clients_are_linearizable_where_that_is_claimed() {
    let world = World::new().await;
    let seed = fastrand::u64(..);
    for (name, storage) in &world.stores {
        let bucket = open(storage, BucketConfig::default());
        let claimed = bucket.features().await.unwrap().contains(Features::LINEARIZABLE);
        assert_eq!(claimed, *name != "nats");
        if !claimed {
            continue;
        }
        for round in 0..15 {
            let clients = (0..6).map(|n| {
                let (bucket, key) = (bucket.clone(), format!("history-{round}"));
                let mut random = fastrand::Rng::with_seed(seed + round * 100 + n);
                tokio::spawn(async move { client(bucket, key, n + 1, &mut random).await })
            });
            let mut calls = Vec::new();
            for client in clients.collect::<Vec<_>>() {
                calls.extend(client.await.unwrap());
            }
            assert!(is_linearizable(&calls), "{name}, seed {seed}, round {round}: {calls:#?}");
        }
    }
}

#[tokio::test]
async fn a_full_bucket_says_so_and_takes_what_makes_room() {
    let world = World::new().await;
    for (name, storage) in &world.stores {
        let mut quota = BucketConfig::default();
        (quota.entries, quota.bytes) = (Some(3), Some(ByteSize::bytes(100)));
        let bucket = open(storage, quota);
        let full = |result: Result<Option<u64>, Error>, what: &str| match result {
            Err(Error::LimitExceeded(text)) => assert!(text.contains(what), "{name}: {text}"),
            other => panic!("{name}: {other:?}"),
        };
        put(&bucket, "a", vec![b'x'; 9]).await.unwrap();
        put(&bucket, "b", vec![b'x'; 9]).await.unwrap();
        let expiring = PutItem { ttl_ms: Some(300), ..item("c", "x") };
        bucket.put(expiring, Condition::Always).await.unwrap();
        full(put(&bucket, "d", "x").await, "3 entries");
        full(put(&bucket, "a", vec![b'x'; 200]).await, "100 bytes");
        put(&bucket, "a", vec![b'x'; 20]).await.unwrap().expect("what is there can be replaced");
        assert!(bucket.delete("b".to_owned(), Condition::Always).await.unwrap());
        put(&bucket, "d", "x").await.unwrap().expect("a deleted entry takes no room");
        tokio::time::sleep(Duration::from_millis(400)).await;
        put(&bucket, "e", "x").await.unwrap().expect("an expired entry takes no room");
        full(put(&bucket, "f", "x").await, "3 entries");
        many_expired_entries_take_no_room(name, storage).await;
    }
}

/// More of them than one write clears away beside its work.
async fn many_expired_entries_take_no_room(name: &str, storage: &KvStorage) {
    let mut config = Config::default();
    config.kv = storage.clone();
    let mut quota = BucketConfig::default();
    quota.entries = Some(1_000);
    config.buckets.insert("crowded".to_owned(), quota);
    let bucket = Stores::open(&config);
    // A file is open once: its bucket has no such limit.
    let Ok(bucket) = bucket.map(|stores| stores.bucket("crowded")) else { return };
    let items = (0..1_000).map(|n| PutItem { ttl_ms: Some(700), ..item(&format!("k{n}"), "x") }).collect();
    bucket.put_many(items).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let items = (0..900).map(|n| item(&format!("n{n}"), "x")).collect();
    bucket.put_many(items).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
}

#[tokio::test]
async fn limits_on_keys_and_values_are_the_operators() {
    let mut limits = BucketConfig::default();
    (limits.key, limits.value) = (5, ByteSize::mib(4));
    let bucket = open(&KvStorage::Memory, limits.clone());
    put(&bucket, "12345", vec![0; 4 << 20]).await.unwrap();
    assert!(matches!(put(&bucket, "123456", "").await, Err(Error::LimitExceeded(_))));
    assert!(matches!(put(&bucket, "1", vec![0; (4 << 20) + 1]).await, Err(Error::LimitExceeded(_))));
    limits.value = ByteSize::mib(5);
    let mut config = Config::default();
    config.buckets.insert("x".to_owned(), limits);
    let error = Stores::open(&config).unwrap_err().to_string();
    assert!(error.contains("`x`") && error.contains("4MiB"), "{error}");
}

/// Tries until it works again, and says how long that took.
async fn recovered(bucket: &Bucket) -> Duration {
    let begun = Instant::now();
    while let Err(error) = put(bucket, "again", "x").await {
        assert!(begun.elapsed() < Duration::from_secs(15), "{error:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// An operation on a store that is away: a typed error within 5 s and a little.
async fn fails_in_time(name: &str, bucket: &Bucket) {
    for _ in 0..3 {
        let begun = Instant::now();
        let error = bucket.get("kept".to_owned()).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_) | Error::Timeout), "{name}: {error:?}");
        let error = put(bucket, "lost", "x").await.unwrap_err();
        let typed = matches!(error, Error::Unavailable(_) | Error::Timeout | Error::ConnectionLost(_));
        assert!(typed, "{name}: {error:?}");
        assert!(begun.elapsed() < Duration::from_secs(11), "{name}: {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_or_dies_gives_typed_errors_in_time_and_is_used_again() {
    for kind in [Kind::Redis, Kind::Nats] {
        let (name, mut server) = (format!("{kind:?}"), Server::start(kind).unwrap());
        let storage: KvStorage = server.url().parse().unwrap();
        let bucket = open(&storage, BucketConfig::default());
        let durable = bucket.features().await.unwrap().contains(Features::DURABLE);
        assert_eq!(durable, kind == Kind::Redis, "{name}");
        put(&bucket, "kept", "1").await.unwrap();

        server.pause().unwrap();
        fails_in_time(&name, &bucket).await;
        server.resume().unwrap();
        recovered(&bucket).await;

        server.kill().unwrap();
        fails_in_time(&name, &bucket).await;
        server.restart().unwrap();
        recovered(&bucket).await;
        assert_eq!(text(&bucket, "kept").await.as_deref(), Some("1"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_in_postgresql_survive_its_restart() {
    let postgres = PrivatePostgres::temporary().await.unwrap();
    postgres.create_database("buckets").await.unwrap();
    let bucket = open(&KvStorage::Postgres(postgres.connection_url("buckets")), BucketConfig::default());
    put(&bucket, "kept", "1").await.unwrap();
    let _postgres = postgres.restart(fails_in_time("postgres", &bucket)).await.unwrap();
    recovered(&bucket).await;
    assert_eq!(text(&bucket, "kept").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_redis_without_memory_left_is_full_and_not_wrong() {
    let server = Server::start(Kind::VolatileRedis).unwrap();
    let bucket = open(&server.url().parse().unwrap(), BucketConfig::default());
    assert!(!bucket.features().await.unwrap().contains(Features::DURABLE));
    put(&bucket, "kept", "1").await.unwrap();
    redis(&server, "CONFIG SET maxmemory 1mb");
    let error = put(&bucket, "big", vec![0; 1 << 20]).await.unwrap_err();
    assert!(matches!(error, Error::LimitExceeded(_)), "{error:?}");
    assert_eq!(text(&bucket, "kept").await.as_deref(), Some("1"));
    assert!(bucket.delete("kept".to_owned(), Condition::Always).await.unwrap(), "what makes room is taken");
    redis(&server, "CONFIG SET maxmemory 0");
    put(&bucket, "big", vec![0; 1 << 20]).await.unwrap();
}

/// Says one line to a server of Redis.
fn redis(server: &Server, line: &str) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

#[tokio::test]
async fn a_scan_goes_on_behind_its_cursor_on_another_connection() {
    let world = World::new().await;
    for (name, storage) in &world.stores {
        // In memory and in a file, one process has one store.
        let config = Arc::new({
            let mut config = Config::default();
            config.kv = storage.clone();
            config
        });
        let stores = Stores::open(&config).unwrap();
        let items = (0..50).map(|n| item(&format!("k{n:02}"), vec![b'v'; 10])).collect();
        stores.bucket("tested").put_many(items).await.unwrap();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let options = ScanOptions {
                prefix: "k".to_owned(),
                start: None,
                end: None,
                reverse: false,
                keys_only: true,
                limit: 7,
                cursor,
            };
            let page = stores.bucket("tested").scan(options).await.unwrap();
            seen.extend(page.entries.into_iter().map(|(key, _)| key));
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, (0..50).map(|n| format!("k{n:02}")).collect::<Vec<_>>(), "{name}");
        let usage = stores.buckets().await.unwrap();
        assert_eq!(usage["tested"].entries, 50, "{name}");
        assert_eq!(usage["tested"].bytes, 50 * 13, "{name}");
    }
}
