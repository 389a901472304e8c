use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use wharf_host::Host;
use wharf_postgres::{Options, PrivatePostgres};

use crate::support::{Database, host_of, post};

const SECOND: Duration = Duration::from_secs(1);
/// The name in the server's certificate; nothing resolves it.
const NAME: &str = "db.test";
/// Who may connect over TCP, and how.
const RULES: &str = "local all all trust
hostssl test certified 127.0.0.1/32 cert
hostssl test encrypted 127.0.0.1/32 trust
hostnossl test plain 127.0.0.1/32 trust
host test secret 127.0.0.1/32 scram-sha-256
host test wharf 127.0.0.1/32 trust
";

/// An authority, and the files of what it has signed.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.join("root.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub(crate) fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// A server on TCP.
pub(crate) async fn start_with_tcp() -> Database {
    let postgres = PrivatePostgres::temporary_with(Options::throwaway().with_tcp()).await.unwrap();
    Database::of(postgres).await
}

/// A server with TLS, the rules above, and the authority that signed its certificate.
pub(crate) async fn start_with_tls(
    folder: &Path,
    change: impl FnOnce(&mut CertificateParams),
) -> (Database, Authority) {
    let database = start_with_tcp().await;
    let authority = Authority::new(folder, "authority");
    authority.sign(NAME, change);
    let own = database.postgres.folder().to_path_buf();
    let account = own.join("data").metadata().unwrap();
    for (from, to) in [("db.test.pem", "server.pem"), ("db.test.key", "server.key"), ("root.pem", "root.pem")]
    {
        let to = own.join(to);
        std::fs::copy(authority.file(from), &to).unwrap();
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&to, Some(account.uid()), Some(account.gid())).unwrap();
    }
    std::fs::write(own.join("pg_hba.conf"), RULES).unwrap();
    let folder = own.display();
    let setup = [
        "create role certified login; create role encrypted login; create role plain login".to_owned(),
        "create role secret login password 'first-s3cret'".to_owned(),
        format!("alter system set ssl_cert_file = '{folder}/server.pem'"),
        format!("alter system set ssl_key_file = '{folder}/server.key'"),
        format!("alter system set ssl_ca_file = '{folder}/root.pem'"),
        "alter system set ssl = on".to_owned(),
        "select pg_reload_conf()".to_owned(),
    ];
    for statement in setup {
        database.watcher.batch_execute(&statement).await.unwrap();
    }
    // When a session has the new settings, the server has them for all that come.
    database
        .becomes("select count(*) from pg_settings where name = 'ssl' and setting = 'on'", 1, 5 * SECOND)
        .await;
    (database, authority)
}

/// Keywords that reach a server by a name that nothing resolves.
pub(crate) fn address(database: &Database, user: &str, more: &str) -> String {
    let port = database.postgres.tcp_port().unwrap();
    format!("host={NAME} hostaddr=127.0.0.1 port={port} dbname=test user={user} {more}")
}

/// What becomes of the first request to a database: `ok`, or the case and text of its error.
pub(crate) async fn reach(host: &Host, name: &str) -> String {
    let command = json!({"database": name, "sql": "select current_user::text"});
    let answer = post(host, "/query", command).await;
    let error = &answer["error"];
    match error["case"].as_str() {
        None => "ok".to_owned(),
        Some(case) => format!("{case}: {}", error["text"].as_str().unwrap_or_default()),
    }
}

/// Reaches every database; each has a name, an address, and what its answer contains.
async fn check(cases: &[(&str, String, &str)]) -> Host {
    let databases: Vec<(&str, String)> = cases.iter().map(|(name, url, _)| (*name, url.clone())).collect();
    let host = host_of(&databases).await;
    for (name, url, expected) in cases {
        let found = reach(&host, name).await;
        let fits = if *expected == "ok" { found == "ok" } else { found.contains(expected) };
        assert!(fits, "{url}: `{found}`, not `{expected}`");
        let refused = found.starts_with("unavailable: ");
        assert!(found == "ok" || refused, "{url}: {found}");
    }
    host
}

/// How the server sees the connection that a database's requests use.
async fn seen(database: &Database, host: &Host, name: &str) -> (bool, Option<String>) {
    let command = json!({"database": name, "sql": "select pg_backend_pid()"});
    let answer = post(host, "/query", command).await;
    let sql = "select ssl, client_dn from pg_stat_ssl where pid = $1";
    let pid = i32::try_from(answer["rows"][0][0]["value"].as_i64().unwrap()).unwrap();
    let row = database.watcher.query_one(sql, &[&pid]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn a_server_is_believed_as_far_as_its_certificate_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (database, authority) = start_with_tls(folder.path(), |_| {}).await;
    let stranger = Authority::new(folder.path(), "stranger");
    let root = format!("sslrootcert={}", authority.file("root.pem"));
    let unknown = format!("sslrootcert={}", stranger.file("root.pem"));
    let port = database.postgres.tcp_port().unwrap();
    let unnamed = |more: &str| format!("postgres://wharf@127.0.0.1:{port}/test?{more}");
    let of = |user: &str, more: &str| address(&database, user, more);
    const FAILED: &str = "the encrypted connection to the database failed";
    let cases = [
        ("full", of("encrypted", &format!("sslmode=verify-full {root}")), "ok"),
        ("ca", of("encrypted", &format!("sslmode=verify-ca {root}")), "ok"),
        ("require", of("encrypted", "sslmode=require"), "ok"),
        ("requireroot", of("encrypted", &format!("sslmode=require {root}")), "ok"),
        ("disable", of("plain", "sslmode=disable"), "ok"),
        // Between processes of one machine nothing is encrypted, unless it is asked for.
        ("here", of("plain", ""), "ok"),
        // The server refuses the user without TLS, or with it.
        ("mustencrypt", of("encrypted", "sslmode=disable"), "no pg_hba.conf entry"),
        ("mustnot", of("plain", "sslmode=require"), "no pg_hba.conf entry"),
        ("othername", unnamed(&format!("sslmode=verify-full&{root}")), FAILED),
        ("othernameca", unnamed(&format!("sslmode=verify-ca&{root}")), "ok"),
        ("unknown", of("encrypted", &format!("sslmode=verify-full {unknown}")), FAILED),
        ("unknownca", of("encrypted", &format!("sslmode=verify-ca {unknown}")), FAILED),
        ("unknownrequire", of("encrypted", &format!("sslmode=require {unknown}")), FAILED),
        // The machine's own authorities know nothing of ours.
        ("system", of("encrypted", "sslmode=verify-full sslrootcert=system"), FAILED),
    ];
    let cases = if rustls_native_roots() { &cases[..] } else { &cases[..cases.len() - 1] };
    let host = check(cases).await;
    for (name, encrypted) in
        [("full", true), ("ca", true), ("require", true), ("disable", false), ("here", false)]
    {
        assert_eq!(seen(&database, &host, name).await.0, encrypted, "{name}");
    }
}

/// Whether this machine trusts any authority at all; without one `system` is refused when the host is built.
fn rustls_native_roots() -> bool {
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"]
        .iter()
        .any(|path| Path::new(path).exists())
}

#[tokio::test]
async fn a_certificate_that_is_over_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let over = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let (database, authority) = start_with_tls(folder.path(), over).await;
    let root = format!("sslrootcert={}", authority.file("root.pem"));
    let of = |more: &str| address(&database, "encrypted", more);
    check(&[
        ("full", of(&format!("sslmode=verify-full {root}")), "the encrypted connection"),
        ("ca", of(&format!("sslmode=verify-ca {root}")), "the encrypted connection"),
        ("require", of("sslmode=require"), "ok"),
    ])
    .await;
}

#[tokio::test]
async fn a_host_shows_its_own_certificate_to_a_server_that_asks() {
    let folder = tempfile::tempdir().unwrap();
    let (database, authority) = start_with_tls(folder.path(), |_| {}).await;
    let stranger = Authority::new(folder.path(), "stranger");
    authority.sign("certified", |_| {});
    authority.sign("somebody", |_| {});
    stranger.sign("certified", |_| {});
    let by = |authority: &Authority, name: &str| {
        let (certificate, key) =
            (authority.file(&format!("{name}.pem")), authority.file(&format!("{name}.key")));
        address(&database, "certified", &format!("sslmode=require sslcert={certificate} sslkey={key}"))
    };
    let host = check(&[
        ("own", by(&authority, "certified"), "ok"),
        ("none", address(&database, "certified", "sslmode=require"), "unavailable"),
        ("another", by(&authority, "somebody"), "certificate authentication failed"),
        ("stranger", by(&stranger, "certified"), "unavailable"),
    ])
    .await;
    let (encrypted, name) = seen(&database, &host, "own").await;
    assert!(encrypted && name.as_deref().is_some_and(|name| name.contains("CN=certified")), "{name:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_demanded() {
    let database = start_with_tcp().await;
    let of = |more: &str| address(&database, "wharf", more);
    check(&[
        ("full", of("sslmode=verify-full"), "the encrypted connection to the database failed"),
        ("require", of("sslmode=require"), "the encrypted connection to the database failed"),
        (
            "direct",
            of("sslmode=require sslnegotiation=direct"),
            "the encrypted connection to the database failed",
        ),
        ("here", of(""), "ok"),
        ("disable", of("sslmode=disable"), "ok"),
    ])
    .await;
}
