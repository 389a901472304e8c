use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use wharf_host::Host;

use crate::pg_tls::{address, reach, start_with_tcp, start_with_tls};
use crate::support::{alone, host_of, post};

const SECOND: Duration = Duration::from_secs(1);

/// Takes down what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_password_is_read_anew_for_each_connection_and_never_told() {
    const SECRETS: [&str; 3] = ["first-s3cret", "second-s3cret", "wr0ng-s3cret"];
    const TEST: &str = "pg_addresses::a_password_is_read_anew_for_each_connection_and_never_told";
    alone(TEST, &[("WHARF_TEST_PASSWORD", "first-s3cret"), ("WHARF_TEST_WRONG", "wr0ng-s3cret")], async {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_env_filter("wharf_host=trace,tokio_postgres=trace,rustls=trace,deadpool=trace")
            .with_writer(move || writer.clone())
            .init();
        let folder = tempfile::tempdir().unwrap();
        let (database, _authority) = start_with_tls(folder.path(), |_| {}).await;
        let file = folder.path().join("password");
        std::fs::write(&file, "first-s3cret\n").unwrap();
        let of = |more: &str| address(&database, "secret", more);
        let mut told = Vec::new();
        let named = [
            ("file", of(&format!("password_file={} pool_connections=1", file.display()))),
            ("environment", of("password_env=WHARF_TEST_PASSWORD sslmode=require")),
            ("address", of("password=first-s3cret")),
            ("url", of("").replacen("host", "password='first-s3cret' host", 1)),
            ("wrong", of("password=wr0ng-s3cret")),
            ("wrongenvironment", of("password_env=WHARF_TEST_WRONG")),
            ("missing", of("password_env=WHARF_TEST_MISSING")),
            ("nofile", of("password_file=/nowhere/s3cret-file")),
            ("none", of("")),
        ];
        let host = host_of(&named).await;
        for (name, expected) in [
            ("file", "ok"),
            ("environment", "ok"),
            ("address", "ok"),
            ("url", "ok"),
            ("wrong", "password authentication failed"),
            ("wrongenvironment", "password authentication failed"),
            ("missing", "the password of the database cannot be read"),
            ("nofile", "the password of the database cannot be read"),
            ("none", "unavailable"),
        ] {
            let found = reach(&host, name).await;
            assert!(found.contains(expected), "{name}: {found}");
            told.push(found);
        }
        // Open connections stay; the next one uses what the file says then.
        database.watcher.batch_execute("alter role secret password 'second-s3cret'").await.unwrap();
        assert_eq!(reach(&host, "file").await, "ok");
        let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'secret'";
        let gone = "select count(*) from pg_stat_activity where usename = 'secret'";
        assert!(database.count(kill).await > 0);
        database.becomes(gone, 0, 5 * SECOND).await;
        let found = until(&host, "password authentication failed").await;
        told.push(found);
        std::fs::write(&file, "second-s3cret").unwrap();
        assert_eq!(reach(&host, "file").await, "ok");

        let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
        assert!(log.contains("failed to connect to a database"), "nothing was taken down");
        told.push(log);
        told.push(format!("{:?} {:?}", host.config(), host));
        let malformed = Host::builder().database("main", of("password=first-s3cret nonsense=1")).build();
        told.push(wharf_host::chain(&malformed.err().unwrap()));
        // But for what this test itself has told the server.
        let lines = told.iter().flat_map(|text| text.lines()).filter(|line| !line.contains("role secret"));
        let telling: Vec<&str> = lines.filter(|line| SECRETS.iter().any(|it| line.contains(it))).collect();
        assert!(telling.is_empty(), "a password is told: {telling:#?}");
    });
}

/// Waits, within bounds, until the host has noticed that its connection is gone.
async fn until(host: &Host, expected: &str) -> String {
    for _ in 0..50 {
        let found = reach(host, "file").await;
        if found.contains(expected) {
            return found;
        }
        assert!(found.starts_with("connection-lost") || found.starts_with("unavailable"), "{found}");
    }
    panic!("it was never `{expected}`")
}

#[tokio::test]
async fn the_first_server_that_answers_and_suits_is_taken() {
    let (writing, reading) = tokio::join!(start_with_tcp(), start_with_tcp());
    reading
        .watcher
        .batch_execute("alter database test set default_transaction_read_only = on")
        .await
        .unwrap();
    let ports = [&writing, &reading].map(|database| database.postgres.tcp_port().unwrap());
    let [writer, reader] = ports;
    let of = |ports: &[u16], more: &str| {
        let hosts = vec!["127.0.0.1"; ports.len()].join(",");
        let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
        format!("host={hosts} port={ports} user=wharf dbname=test {more}")
    };
    let cases = [
        ("dead", of(&[1, writer], ""), writer),
        ("first", of(&[reader, writer], ""), reader),
        ("write", of(&[reader, writer], "target_session_attrs=read-write"), writer),
        ("read", of(&[1, writer, reader], "target_session_attrs=read-only"), reader),
        ("deadwrite", of(&[1, reader, writer], "target_session_attrs=read-write"), writer),
    ];
    let mut databases: Vec<(&str, String)> =
        cases.iter().map(|(name, url, _)| (*name, url.clone())).collect();
    databases.push(("nobody", of(&[reader, 1], "target_session_attrs=read-write")));
    databases.push(("unfit", of(&[1, reader], "target_session_attrs=read-write")));
    let host = host_of(&databases).await;
    for (name, url, expected) in cases {
        let command = json!({"database": name, "sql": "select inet_server_port()"});
        let answer = post(&host, "/query", command).await;
        assert_eq!(answer["rows"][0][0]["value"], Value::from(expected), "{url}: {answer}");
    }
    assert!(reach(&host, "nobody").await.starts_with("unavailable"));
    let unfit = reach(&host, "unfit").await;
    assert!(unfit.starts_with("unavailable") && unfit.contains("read only"), "{unfit}");
}
