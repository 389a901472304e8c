//! The address of a database: a URL or keywords as libpq takes them, and what a host adds to them.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::config::{Host, SslMode, SslNegotiation};

use crate::config::DatabaseConfig;

use super::tls::{self, Verify};

/// Why an address is none. No text of it is ever shown: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not a URL and not keywords, or a key that the driver does not know.
    #[error("the address cannot be read")]
    Syntax(#[source] tokio_postgres::Error),
    /// A key of ours with a value that it does not take.
    #[error("`{key}` cannot be `{value}`: use {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// What was given; none of these keys takes a secret.
        value: String,
        /// What it takes.
        allowed: &'static str,
    },
    /// Keys that make no sense together.
    #[error("{0}")]
    Conflict(&'static str),
    /// Certificates or keys that cannot be used.
    #[error("TLS to the database cannot be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where the password comes from, when it is not in the address.
#[derive(Clone, Debug)]
enum Password {
    File(PathBuf),
    Environment(String),
}

/// Whether and how a connection is encrypted.
#[derive(Clone)]
pub(super) enum Encryption {
    /// As it was told, or because the server is on this machine.
    None,
    Tls(tls::Connector),
}

/// How a pool of connections behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) connections: NonZeroUsize,
    pub(crate) statements: NonZeroUsize,
    pub(crate) acquire: Duration,
    pub(crate) connect: Duration,
    pub(crate) reset: Duration,
}

/// Everything that connecting needs.
#[derive(Clone)]
pub(crate) struct Address {
    pub(super) driver: tokio_postgres::Config,
    pub(super) targets: Vec<Target>,
    pub(crate) settings: Settings,
    password: Option<Password>,
}

/// One server that may be tried.
#[derive(Clone)]
pub(super) struct Target {
    /// A name or address, or the folder of a unix socket.
    pub(super) host: Host,
    /// For the certificate.
    pub(super) name: Option<String>,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
}

/// How long a peer may acknowledge nothing, or take nothing: a server that is busy with a large COPY may stand
/// still for some seconds. Requests have deadlines of their own.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// PostgreSQL's own port.
const PORT: u16 = 5_432;

/// Keys that the driver does not know.
const OURS: [&str; 11] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "password_file",
    "password_env",
    "pool_connections",
    "pool_statements",
    "pool_acquire_timeout",
    "connect_timeout",
    "pool_reset_timeout",
];

impl Address {
    /// Reads an address, and the certificates that it names.
    pub(crate) fn parse(database: &DatabaseConfig) -> Result<Self, AddressError> {
        let (rest, ours) = split(&database.url);
        let driver: tokio_postgres::Config = rest.parse().map_err(AddressError::Syntax)?;
        let get = |key: &str| ours.iter().rfind(|(name, _)| *name == key).map(|(_, value)| value.as_str());
        let targets = targets(&driver, &get)?;
        let password = match (get("password_file"), get("password_env")) {
            (Some(_), Some(_)) => {
                return Err(AddressError::Conflict("`password_file` and `password_env` exclude each other"));
            }
            (Some(path), None) => Some(Password::File(path.into())),
            (None, Some(name)) => Some(Password::Environment(name.to_owned())),
            (None, None) => None,
        };
        if password.is_some() && driver.get_password().is_some() {
            return Err(AddressError::Conflict("the address has a password and says where to read one"));
        }
        let settings = Settings {
            connections: count("pool_connections", &get, database.connections)?,
            statements: count("pool_statements", &get, database.statements)?,
            acquire: span("pool_acquire_timeout", &get, database.acquire_timeout)?,
            connect: span("connect_timeout", &get, database.connect_timeout)?,
            reset: span("pool_reset_timeout", &get, database.reset_timeout)?,
        };
        let mut driver = driver;
        // Both are done below the driver.
        driver.ssl_mode(SslMode::Disable).ssl_negotiation(SslNegotiation::Postgres);
        if driver.get_tcp_user_timeout().is_none() {
            driver.tcp_user_timeout(USER_TIMEOUT);
        }
        Ok(Self { driver, targets, settings, password })
    }

    /// The same, showing in `pg_stat_activity` who it is for, unless the address names an application itself.
    pub(crate) fn for_use(mut self, who: &str) -> Self {
        if self.driver.get_application_name().is_none() {
            self.driver.application_name(format!("wharf {who}"));
        }
        self
    }

    /// The driver's settings, with the password as it is now: a file may have changed since.
    pub(super) fn with_password(&self) -> std::io::Result<tokio_postgres::Config> {
        let mut driver = self.driver.clone();
        match &self.password {
            None => {}
            Some(Password::File(path)) => {
                let text = std::fs::read_to_string(path)?;
                driver.password(text.trim_end_matches(['\n', '\r']));
            }
            Some(Password::Environment(name)) => {
                let value = std::env::var(name).map_err(std::io::Error::other)?;
                driver.password(value);
            }
        }
        Ok(driver)
    }
}

fn targets<'a>(
    driver: &tokio_postgres::Config,
    get: &impl Fn(&str) -> Option<&'a str>,
) -> Result<Vec<Target>, AddressError> {
    let (hosts, addresses, ports) = (driver.get_hosts(), driver.get_hostaddrs(), driver.get_ports());
    let count = hosts.len().max(addresses.len());
    if count == 0 {
        return Err(AddressError::Conflict("the address names no host"));
    }
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(AddressError::Conflict("`host` and `hostaddr` name different numbers of servers"));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(AddressError::Conflict("`port` must name one port, or one for each host"));
    }
    let (mode, mut connector) = (mode(get)?, None);
    let mut targets = Vec::with_capacity(count);
    for index in 0..count {
        let host = match (addresses.get(index), hosts.get(index)) {
            (Some(address), _) => Host::Tcp(address.to_string()),
            (None, Some(host)) => host.clone(),
            (None, None) => continue,
        };
        let name = match (hosts.get(index), addresses.get(index)) {
            (Some(Host::Tcp(name)), _) => Some(name.clone()),
            (None, Some(address)) => Some(address.to_string()),
            _ => None,
        };
        let verify = match (&host, mode) {
            (Host::Unix(_), _) | (_, Some(Mode::Disable)) => None,
            (Host::Tcp(host), None) if is_here(host) => None,
            (Host::Tcp(_), None) => Some(Verify::Full),
            (Host::Tcp(_), Some(Mode::Tls(verify))) => Some(verify),
        };
        let encryption = match verify {
            None => Encryption::None,
            Some(verify) => {
                if connector.is_none() {
                    let files = tls::Files {
                        root: get("sslrootcert"),
                        certificate: get("sslcert"),
                        key: get("sslkey"),
                    };
                    let direct = driver.get_ssl_negotiation() == SslNegotiation::Direct;
                    connector = Some(tls::Connector::new(verify, &files, direct).map_err(AddressError::Tls)?);
                }
                connector.clone().map_or(Encryption::None, Encryption::Tls)
            }
        };
        let port = ports.get(index).or_else(|| ports.first()).copied().unwrap_or(PORT);
        targets.push(Target { host, name, port, encryption });
    }
    Ok(targets)
}

#[derive(Clone, Copy)]
enum Mode {
    Disable,
    Tls(Verify),
}

/// Without `sslmode`: nothing between processes of one machine, and everything verified beyond it.
fn mode<'a>(get: &impl Fn(&str) -> Option<&'a str>) -> Result<Option<Mode>, AddressError> {
    Ok(Some(match get("sslmode") {
        None => return Ok(None),
        Some("disable") => Mode::Disable,
        Some("require") => Mode::Tls(Verify::Nothing),
        Some("verify-ca") => Mode::Tls(Verify::Authority),
        Some("verify-full") => Mode::Tls(Verify::Full),
        Some(other) => {
            return Err(AddressError::Value {
                key: "sslmode",
                value: other.to_owned(),
                allowed: "`verify-full` (which is the default beyond this machine), `verify-ca`, `require` \
                          (encrypted, but whoever answers is believed) or `disable`",
            });
        }
    }))
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn count<'a>(
    key: &'static str,
    get: &impl Fn(&str) -> Option<&'a str>,
    default: NonZeroUsize,
) -> Result<NonZeroUsize, AddressError> {
    let Some(value) = get(key) else { return Ok(default) };
    let number = value.parse().ok().filter(|number: &NonZeroUsize| number.get() <= 10_000);
    number.ok_or_else(|| AddressError::Value { key, value: value.to_owned(), allowed: "1 to 10000" })
}

fn span<'a>(
    key: &'static str,
    get: &impl Fn(&str) -> Option<&'a str>,
    default: Duration,
) -> Result<Duration, AddressError> {
    let Some(value) = get(key) else { return Ok(default) };
    let (number, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len()));
    let millis = match unit {
        "ms" => Some(1),
        // As in libpq, a bare number is seconds.
        "" | "s" => Some(1_000),
        _ => None,
    };
    let total = number.parse::<u64>().ok().zip(millis).and_then(|(number, unit)| number.checked_mul(unit));
    let span = total.filter(|total| (1..=600_000).contains(total)).map(Duration::from_millis);
    span.ok_or_else(|| AddressError::Value { key, value: value.to_owned(), allowed: "1ms to 600s" })
}

/// Takes our keys out of an address.
fn split(address: &str) -> (String, Vec<(String, String)>) {
    if address.starts_with("postgres://") || address.starts_with("postgresql://") {
        split_url(address)
    } else {
        split_keywords(address)
    }
}

fn split_url(url: &str) -> (String, Vec<(String, String)>) {
    let Some((before, query)) = url.split_once('?') else { return (url.to_owned(), Vec::new()) };
    let (mut kept, mut ours) = (Vec::new(), Vec::new());
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if OURS.contains(&key) {
            ours.push((key.to_owned(), percent_decode_str(value).decode_utf8_lossy().into_owned()));
        } else {
            kept.push(pair);
        }
    }
    let rest = if kept.is_empty() { before.to_owned() } else { format!("{before}?{}", kept.join("&")) };
    (rest, ours)
}

/// `key = value`, with a value in quotes where it has spaces, and a backslash before a quote or itself.
fn split_keywords(text: &str) -> (String, Vec<(String, String)>) {
    let (mut kept, mut ours) = (String::new(), Vec::new());
    let mut rest = text.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, raw) = keyword_value(after);
        let key = key.trim();
        if OURS.contains(&key) {
            ours.push((key.to_owned(), value));
        } else {
            kept.push_str(&format!("{key}={} ", &after[..raw]));
        }
        rest = after[raw..].trim_start();
    }
    // What is no pair is the driver's to refuse.
    (kept + rest, ours)
}

/// A value, and how many bytes it takes in the text.
fn keyword_value(text: &str) -> (String, usize) {
    let quoted = text.starts_with('\'');
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in text.char_indices().skip(usize::from(quoted)) {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '\'' if quoted => return (value, at + 1),
            c if c.is_whitespace() && !quoted => return (value, at),
            c => value.push(c),
        }
    }
    (value, text.len())
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError, DatabaseConfig, Duration, Encryption, Host};

    fn parse(url: &str) -> Result<Address, AddressError> {
        Address::parse(&DatabaseConfig::new(url))
    }

    fn is_encrypted(url: &str) -> Vec<bool> {
        parse(url).unwrap().targets.iter().map(|t| matches!(t.encryption, Encryption::Tls(_))).collect()
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_it_is_told_otherwise() {
        for (url, expected) in [
            ("postgres://a@localhost/x", false),
            ("postgres://a@127.0.0.1/x", false),
            ("postgres://a@[::1]/x", false),
            ("host=/run/postgresql user=a", false),
            ("postgres://a@db.example/x", true),
            ("postgres://a@10.0.0.1/x", true),
            ("postgres://a@db.example/x?sslmode=disable", false),
            ("postgres://a@localhost/x?sslmode=require", true),
            ("host=localhost user=a sslmode = 'verify-full'", true),
        ] {
            assert_eq!(is_encrypted(url), [expected], "{url}");
        }
        assert_eq!(is_encrypted("postgres://a@localhost,db.example/x"), [false, true]);
        assert!(matches!(parse("postgres://a@b/x?sslmode=prefer"), Err(AddressError::Value { .. })));
    }

    #[test]
    fn our_keys_are_taken_out_and_the_rest_is_the_drivers() {
        let address =
            parse("postgres://a@/x?host=/tmp&pool_connections=3&pool_acquire_timeout=250ms").unwrap();
        assert_eq!(address.settings.connections.get(), 3);
        assert_eq!(address.settings.acquire, Duration::from_millis(250));
        let address = parse(r"host='/tmp/a b' user=a connect_timeout=7 dbname='it\'s'").unwrap();
        assert_eq!(address.settings.connect, Duration::from_secs(7));
        assert_eq!(address.driver.get_dbname(), Some("it's"));
        assert!(matches!(&address.targets[0].host, Host::Unix(path) if path.ends_with("a b")));
        assert!(matches!(parse("postgres://a@b/x?pool_colour=red"), Err(AddressError::Syntax(_))));
        assert!(matches!(parse("postgres://b/x?pool_connections=0"), Err(AddressError::Value { .. })));
        assert!(matches!(parse("user=a"), Err(AddressError::Conflict(_))));
    }

    #[test]
    fn every_host_has_its_port_and_the_name_that_its_certificate_must_have() {
        let address = parse("host=a.example,b.example port=1,2 user=x").unwrap();
        let found: Vec<_> = address.targets.iter().map(|t| (t.name.as_deref(), t.port)).collect();
        assert_eq!(found, [(Some("a.example"), 1), (Some("b.example"), 2)]);
        let address = parse("host=a.example hostaddr=10.0.0.1 user=x").unwrap();
        assert_eq!(address.targets[0].name.as_deref(), Some("a.example"));
        assert!(matches!(&address.targets[0].host, Host::Tcp(host) if host == "10.0.0.1"));
    }

    #[test]
    fn a_password_has_one_source() {
        assert!(matches!(parse("postgres://a:b@localhost/x?password_env=X"), Err(AddressError::Conflict(_))));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "s3cret\n").unwrap();
        let address =
            parse(&format!("postgres://a@localhost/x?password_file={}", file.path().display())).unwrap();
        assert_eq!(address.with_password().unwrap().get_password(), Some(&b"s3cret"[..]));
    }
}
