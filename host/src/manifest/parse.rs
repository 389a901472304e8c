//! Text to a checked manifest, with errors that say where and what instead.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use toml::{Table, Value};

use crate::outbound::Grant;

use super::{Build, Language, Limits, Manifest};

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not TOML, or a value of the wrong type; the text points at the line.
    #[error("{0}")]
    Syntax(String),
    /// A key that no manifest has.
    #[error("unknown key `{key}`{}", suggestion(.nearest.as_deref()))]
    UnknownKey {
        /// With the tables that it stands in, e.g. `limits.memroy`.
        key: String,
        /// The most similar key that exists there.
        nearest: Option<String>,
    },
    /// A value that can never work.
    #[error("`{key}` {why}")]
    Value {
        /// Where it stands.
        key: String,
        /// What is wrong with it, and what would be right.
        why: String,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

/// Known keys by table; `*` stands for a table whose keys are free.
const KEYS: [(&str, &[&str]); 13] = [
    (
        "",
        &[
            "name",
            "component",
            "build",
            "routes",
            "guards",
            "guard",
            "health",
            "imports",
            "middleware",
            "reuse",
            "grants",
            "limits",
            "config",
            "migrations",
            "sql",
            "listen",
            "watch",
            "kv",
        ],
    ),
    ("build", &["language", "package", "entry", "sources", "packages", "engine", "wit", "world"]),
    ("routes", &["host", "path", "methods", "guards", "compress"]),
    ("guards", &["*"]),
    ("reuse", &["requests", "concurrency", "idle"]),
    ("grants", &["pg", "kv", "http"]),
    ("limits", &["memory", "cpu", "wall", "body", "concurrency"]),
    ("config", &["*"]),
    ("migrations", &["folder", "database"]),
    ("sql", &["files", "database"]),
    ("listen", &["database", "channels"]),
    ("watch", &["bucket", "prefix"]),
    ("kv", &["*"]),
];

pub(super) fn parse(text: &str) -> Result<Manifest, ManifestError> {
    let table: Table =
        toml::from_str(text).map_err(|e| ManifestError::Syntax(e.to_string().trim().to_owned()))?;
    check_keys("", &table)?;
    let manifest: Manifest =
        toml::from_str(text).map_err(|e| ManifestError::Syntax(e.to_string().trim().to_owned()))?;
    check(&manifest)?;
    Ok(manifest)
}

fn check_keys(within: &str, table: &Table) -> Result<(), ManifestError> {
    let Some((_, known)) = KEYS.iter().find(|(name, _)| *name == within) else { return Ok(()) };
    if known.contains(&"*") {
        return Ok(());
    }
    for (key, value) in table {
        if !known.contains(&key.as_str()) {
            return Err(unknown(within, key, known));
        }
        match value {
            Value::Table(inner) => check_keys(key, inner)?,
            Value::Array(items) => {
                for inner in items.iter().filter_map(Value::as_table) {
                    check_keys(key, inner)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn unknown(within: &str, key: &str, known: &[&str]) -> ManifestError {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(candidate, key), *candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity > 0.6)
        .map(|(_, candidate)| candidate.to_owned());
    let key = if within.is_empty() { key.to_owned() } else { format!("{within}.{key}") };
    ManifestError::UnknownKey { key, nearest }
}

fn check_health(path: &str, manifest: &Manifest) -> Result<(), ManifestError> {
    if !path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err() {
        return Err(value("health", "is a path: it begins with `/`"));
    }
    if manifest.routes.is_empty() {
        return Err(value("health", "is asked over HTTP: add a `[[routes]]` that leads to it"));
    }
    Ok(())
}

/// A key that another language knows is a mistake, not a wish.
fn check_build(build: &Build) -> Result<(), ManifestError> {
    let Build { language, package, entry, sources, packages, engine, wit, world } = build;
    let is_script = matches!(language, Language::Javascript | Language::Typescript);
    let needs_entry = is_script || matches!(language, Language::Python | Language::Module);
    let wants_world = !matches!(language, Language::Rust | Language::Module);
    let keys = [
        ("build.package", package.is_some(), *language == Language::Rust),
        ("build.entry", entry.is_some(), needs_entry),
        ("build.sources", !sources.is_empty(), *language == Language::C),
        ("build.packages", !packages.is_empty(), matches!(language, Language::Python | Language::Go)),
        ("build.engine", engine.is_some(), is_script),
        ("build.wit", wit.is_some(), wants_world),
        ("build.world", world.is_some(), wants_world),
    ];
    if let Some((key, ..)) = keys.into_iter().find(|(_, given, known)| *given && !known) {
        return Err(value(key, "means nothing for this `build.language`: leave it out"));
    }
    if needs_entry && entry.is_none() {
        return Err(value("build.entry", "is missing: the file in which the program begins"));
    }
    if *language == Language::C && sources.is_empty() {
        return Err(value("build.sources", "is empty: the files to compile, e.g. `[\"service.c\"]`"));
    }
    if wit.is_some() && world.is_none() {
        return Err(value("build.world", "is missing: which world of `build.wit` is meant"));
    }
    Ok(())
}

pub(super) fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    check_name("name", &manifest.name)?;
    let called = !manifest.listen.is_empty() || !manifest.watch.is_empty() || manifest.guard;
    if manifest.routes.is_empty() && !called {
        return Err(value(
            "routes",
            "is empty: add at least one `[[routes]]` with a `path` (or a `[[listen]]`, a `[[watch]]`, or `guard = true`)",
        ));
    }
    if let Some(build) = &manifest.build {
        check_build(build)?;
    }
    for route in &manifest.routes {
        check_route(route)?;
        if let Some(name) = route.guards.iter().find(|name| !manifest.guards.contains_key(*name)) {
            return Err(value("routes.guards", &format!("has `{name}`, which `guards` does not describe")));
        }
    }
    if let Some(health) = &manifest.health {
        check_health(health, manifest)?;
    }
    for (name, guard) in &manifest.guards {
        super::guard::check(guard).map_err(|(key, why)| value(&format!("guards.{name}.{key}"), &why))?;
    }
    if let Some(reuse) = &manifest.reuse {
        check_reuse(reuse)?;
    }
    check_routes_apart(&manifest.routes)?;
    for (key, names) in [("grants.pg", &manifest.grants.pg), ("grants.kv", &manifest.grants.kv)] {
        let mut seen = BTreeSet::new();
        for name in names {
            check_name(key, name)?;
            if !seen.insert(name) {
                return Err(value(key, &format!("names `{name}` twice")));
            }
        }
    }
    check_hosts(&manifest.grants.http)?;
    let migrations = manifest.migrations.as_ref().and_then(|migrations| migrations.database.as_ref());
    let sql = manifest.sql.as_ref().and_then(|sql| sql.database.as_ref());
    check_granted("migrations.database", migrations, manifest)?;
    check_granted("sql.database", sql, manifest)?;
    for listen in &manifest.listen {
        check_granted("listen.database", listen.database.as_ref(), manifest)?;
        check_channels(&listen.channels)?;
        if manifest.grants.pg.is_empty() {
            return Err(value("listen", "needs a database: list one in `grants.pg`"));
        }
    }
    check_buckets(manifest)?;
    check_limits(&manifest.limits)
}

fn check_hosts(entries: &[String]) -> Result<(), ManifestError> {
    let mut seen = BTreeSet::new();
    for entry in entries {
        let grant =
            Grant::parse(entry).map_err(|why| value("grants.http", &format!("has `{entry}`: {why}")))?;
        if !seen.insert(grant.to_string()) {
            return Err(value("grants.http", &format!("names `{grant}` twice")));
        }
    }
    Ok(())
}

fn check_buckets(manifest: &Manifest) -> Result<(), ManifestError> {
    let granted = &manifest.grants.kv;
    for watch in &manifest.watch {
        match &watch.bucket {
            Some(bucket) if !granted.contains(bucket) => {
                return Err(value(
                    "watch.bucket",
                    &format!("is `{bucket}`, which `grants.kv` does not list"),
                ));
            }
            None if granted.is_empty() => {
                return Err(value("watch", "needs a bucket: list one in `grants.kv`"));
            }
            _ => {}
        }
    }
    match manifest.kv.keys().find(|bucket| !granted.contains(bucket)) {
        Some(bucket) => {
            Err(value(&format!("kv.{bucket}"), "is about a bucket that `grants.kv` does not list"))
        }
        None => Ok(()),
    }
}

fn check_granted(key: &str, database: Option<&String>, manifest: &Manifest) -> Result<(), ManifestError> {
    match database {
        Some(database) if !manifest.grants.pg.contains(database) => {
            Err(value(key, &format!("is `{database}`, which `grants.pg` does not list")))
        }
        _ => Ok(()),
    }
}

fn check_channels(channels: &[String]) -> Result<(), ManifestError> {
    // PostgreSQL cuts longer names without a word.
    let fits = |name: &&String| (1..=63).contains(&name.len()) && !name.contains('\0');
    match channels.iter().find(|name| !fits(name)) {
        _ if channels.is_empty() => Err(value("listen.channels", "is empty: name at least one channel")),
        Some(name) => Err(value("listen.channels", &format!("has `{name}`: use 1 to 63 bytes"))),
        None => Ok(()),
    }
}

fn check_reuse(reuse: &super::Reuse) -> Result<(), ManifestError> {
    if reuse.requests < 2 {
        return Err(value(
            "reuse.requests",
            "is less than 2: leave `reuse` out for a fresh instance per request",
        ));
    }
    if reuse.concurrency == 0 {
        return Err(value("reuse.concurrency", "is 0: leave it out for 1"));
    }
    if reuse.idle.is_zero() {
        return Err(value("reuse.idle", "is 0: write it like \"10s\""));
    }
    if reuse.idle > Duration::from_secs(60) {
        return Err(value("reuse.idle", "is more than 60 s"));
    }
    Ok(())
}

/// 1 to 63 of a-z, 0-9 and `-`.
pub(super) fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Names of services, databases and buckets: they stand in URLs, file names and metrics.
fn check_name(key: &str, name: &str) -> Result<(), ManifestError> {
    if is_name(name) {
        return Ok(());
    }
    Err(value(key, &format!("is `{name}`: use 1 to 63 of a-z, 0-9 and `-`")))
}

fn check_route(route: &super::Route) -> Result<(), ManifestError> {
    if !route.path.starts_with('/') {
        return Err(value("routes.path", &format!("is `{}`: begin it with `/`", route.path)));
    }
    if let Err(error) = matchit::Router::new().insert(route.path.as_str(), ()) {
        return Err(value("routes.path", &format!("is `{}`: {error}", route.path)));
    }
    for method in &route.methods {
        let token = http::Method::from_bytes(method.as_bytes()).is_ok();
        if !token || method.bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(value("routes.methods", &format!("has `{method}`: write it like \"GET\"")));
        }
    }
    match &route.host {
        Some(host) if host.is_empty() || host.contains([':', '/', ' ']) => {
            Err(value("routes.host", &format!("is `{host}`: write a host name without scheme or port")))
        }
        _ => Ok(()),
    }
}

/// Two patterns of one host that take the same paths, e.g. `/a/{id}` and `/a/{name}`.
fn check_routes_apart(routes: &[super::Route]) -> Result<(), ManifestError> {
    let mut hosts: BTreeMap<Option<String>, matchit::Router<()>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for route in routes {
        let host = route.host.as_ref().map(|host| host.to_ascii_lowercase());
        // One path twice, with other methods, is fine: methods are compared when it is published.
        if seen.insert((host.clone(), &route.path))
            && let Err(error) = hosts.entry(host).or_default().insert(route.path.as_str(), ())
        {
            return Err(value("routes.path", &format!("is `{}`: {error}", route.path)));
        }
    }
    Ok(())
}

fn check_limits(limits: &Limits) -> Result<(), ManifestError> {
    let empty = [
        ("limits.memory", limits.memory.as_u64() == 0),
        ("limits.cpu", limits.cpu.is_zero()),
        ("limits.wall", limits.wall.is_zero()),
        ("limits.concurrency", limits.concurrency == 0),
    ];
    match empty.iter().find(|(_, zero)| *zero) {
        Some((key, _)) => Err(value(key, "is 0: leave it out for the default")),
        None => Ok(()),
    }
}

fn value(key: &str, why: &str) -> ManifestError {
    ManifestError::Value { key: key.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{ManifestError, parse};

    const SMALLEST: &str = "name = \"x\"\n[[routes]]\npath = \"/\"\n";

    #[test]
    fn a_health_path_is_a_path_that_requests_lead_to() {
        let with = |text: &str| parse(&format!("name = \"a\"\n{text}"));
        let routes = "[[routes]]\npath = \"/\"\n";
        assert_eq!(with(&format!("health = \"/up\"\n{routes}")).unwrap().health.as_deref(), Some("/up"));
        for wrong in ["health = \"up\"\n", "health = \"/a b\"\n"] {
            let error = with(&format!("{wrong}{routes}")).unwrap_err().to_string();
            assert!(error.contains("`health` is a path"), "{error}");
        }
        assert!(with("guard = true\nhealth = \"/up\"").unwrap_err().to_string().contains("[[routes]]"));
    }

    #[test]
    fn the_smallest_manifest_has_the_default_limits() {
        let manifest = parse(SMALLEST).unwrap();
        assert_eq!(manifest.limits, super::Limits::default());
        assert!(manifest.grants.pg.is_empty());
    }

    #[test]
    fn a_build_has_the_keys_of_its_language_and_no_others() {
        let with =
            |build: &str| parse(&format!("{SMALLEST}[build]\n{build}")).map_err(|error| error.to_string());
        for right in [
            "language = \"rust\"\npackage = \"x\"",
            "language = \"typescript\"\nentry = \"service.ts\"\nengine = \"starlingmonkey\"",
            "language = \"python\"\nentry = \"service.py\"\npackages = [\"packages\"]",
            "language = \"c\"\nsources = [\"service.c\"]\nwit = \"wit\"\nworld = \"mine\"",
            "language = \"go\"\npackages = [\"packages\"]\nworld = \"prepared-service\"",
            "language = \"module\"\nentry = \"service.wasm\"",
        ] {
            assert!(with(right).is_ok(), "{right}: {:?}", with(right));
        }
        for (wrong, key) in [
            ("language = \"javascript\"", "build.entry"),
            ("language = \"c\"", "build.sources"),
            ("language = \"go\"\nentry = \"service.go\"", "build.entry"),
            ("language = \"rust\"\nentry = \"src/lib.rs\"", "build.entry"),
            ("language = \"python\"\nentry = \"a.py\"\nengine = \"quickjs\"", "build.engine"),
            ("language = \"python\"\nentry = \"a.py\"\nwit = \"wit\"", "build.world"),
            ("language = \"python\"\nentrie = \"a.py\"", "build.entrie"),
        ] {
            let error = with(wrong).unwrap_err();
            assert!(error.contains(&format!("`{key}`")), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let text = format!("{SMALLEST}[limits]\nmemroy = \"1MiB\"\n");
        let error = parse(&text).unwrap_err();
        assert_eq!(error.to_string(), "unknown key `limits.memroy`; did you mean `memory`?");
        let error = parse(&format!("zzzz = 1\n{SMALLEST}")).unwrap_err();
        assert_eq!(error, ManifestError::UnknownKey { key: "zzzz".into(), nearest: None });
    }

    #[test]
    fn values_out_of_bounds_say_where_and_what_instead() {
        let cases = [
            ("name = \"X\"\n[[routes]]\npath = \"/\"", "`name` is `X`: use 1 to 63 of a-z, 0-9 and `-`"),
            (
                "name = \"x\"",
                "`routes` is empty: add at least one `[[routes]]` with a `path` (or a `[[listen]]`, a `[[watch]]`, or `guard = true`)",
            ),
            ("name = \"x\"\n[[routes]]\npath = \"a\"", "`routes.path` is `a`: begin it with `/`"),
            (
                "name = \"x\"\n[[routes]]\npath = \"/\"\nmethods = [\"get\"]",
                "`routes.methods` has `get`: write it like \"GET\"",
            ),
            (
                "name = \"x\"\n[[routes]]\npath = \"/\"\n[limits]\nwall = \"0s\"",
                "`limits.wall` is 0: leave it out for the default",
            ),
            (
                "name = \"x\"\n[[routes]]\npath = \"/\"\n[migrations]\ndatabase = \"main\"",
                "`migrations.database` is `main`, which `grants.pg` does not list",
            ),
            (
                "name = \"x\"\n[[routes]]\npath = \"/\"\n[grants]\nhttp = [\"*.com\"]",
                "`grants.http` has `*.com`: `*.com` is too wide: name a domain as in `*.example.com`",
            ),
            (
                "name = \"x\"\n[[routes]]\npath = \"/\"\n[grants]\nhttp = [\"a.test\", \"https://A.test:443\"]",
                "`grants.http` names `https://a.test` twice",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_wrong_type_points_at_its_line() {
        let message = parse(&format!("{SMALLEST}[limits]\ncpu = \"soon\"\n")).unwrap_err().to_string();
        assert!(message.contains("line 5") && message.contains("write it like \"100ms\""), "{message}");
    }
}
