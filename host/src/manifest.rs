//! `wharf.toml`: what a service is called, where it is routed, what it may use and how much of it.
//! Parsing checks everything that can be known without a host.

mod guard;
mod parse;
mod size;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kv::Features;

pub use guard::{ApiKeyGuard, CorsGuard, Guard, JwtGuard, RateGuard};
pub(crate) use guard::{RateKey, digest_of};
pub use parse::ManifestError;
pub use size::ByteSize;

/// A service's manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Manifest {
    /// 1 to 63 of `a-z`, `0-9` and `-`; unique on a host.
    pub name: String,
    /// The component's file, relative to the manifest. None: where `wharf build` puts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<PathBuf>,
    /// How `wharf build` makes the component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// Where requests come from; at least one, unless the component is called otherwise.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// What routes may list to run before the handler, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub guards: BTreeMap<String, Guard>,
    /// Whether the component is a guard for other services: it exports `guard` and needs no routes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guard: bool,
    /// A path that must answer GET with 2xx or 3xx before a release of this is published; it may have no guards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// What imports without any grant mean. None: a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imports: Option<Imports>,
    /// Components that are composed around this one, the outermost first; files relative to the manifest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub middleware: Vec<String>,
    /// How instances outlive their request. None: they don't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
    /// What the component may open.
    #[serde(default)]
    pub grants: Grants,
    /// How much one request may use.
    #[serde(default)]
    pub limits: Limits,
    /// What `config.get` answers.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Which SQL files are applied before the component serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrations: Option<Migrations>,
    /// Which SQL files list statements to be checked before the component serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<Sql>,
    /// Which notifications of databases the component is called for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<Listen>,
    /// Which changes of buckets the component is called for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<Watch>,
    /// What the component asks of its buckets, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kv: BTreeMap<String, BucketNeeds>,
}

/// How a component is built. Paths are relative to the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Build {
    /// The language of the source.
    pub language: Language,
    /// Rust: the cargo package to build; none for the one whose `Cargo.toml` lies beside the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Where the program begins: a script, a Python module, or a core module. Every language but Rust, C and Go needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// C: the files to compile, e.g. `service.c`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Python: folders with packages beside the entry's own, e.g. what `pip install --target packages` filled. Go: folders
    /// of modules beside the service's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// JavaScript and TypeScript: what runs the script. None is QuickJS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<ScriptEngine>,
    /// A folder with WIT to build against, for every language but Rust. None: the contract of this `wharf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wit: Option<String>,
    /// The world to build for, e.g. `prepared-service`. None: what the rest of the manifest asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
}

/// What is made of imports that can only be denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Imports {
    /// The component is refused.
    Strict,
}

/// A language that `wharf build` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Language {
    /// A cargo package with `crate-type = ["cdylib"]`.
    Rust,
    /// A script, bundled with what it imports, and an engine.
    Javascript,
    /// The same with types.
    Typescript,
    /// A module of Python, and its interpreter.
    Python,
    /// C, compiled by clang.
    C,
    /// A Go module, compiled by Go's own toolchain.
    Go,
    /// A core module that another compiler made, for a world that it carries (`component-type`).
    Module,
}

/// What runs a script inside its component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ScriptEngine {
    /// Small (1.1 MB) and quick to compile; the language without the web's interfaces.
    Quickjs,
    /// Large (12 MB), with the web's interfaces: `TextEncoder`, `URL`, streams.
    Starlingmonkey,
}

/// One pattern that leads to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Route {
    /// Host name without port, matched without regard to case. None for every host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// As in axum: `/users/{id}` takes one segment, `/files/{*rest}` all that is left.
    pub path: String,
    /// Upper case. Empty for every method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Names of `guards`, in the order in which they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<String>,
    /// Whether responses are compressed for clients that take it (zstd, br, gzip): text and the like from 32 bytes
    /// on, not event streams, images and what is encoded already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compress: bool,
}

/// How instances of a service outlive their request. Off by default: then nothing is left for the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Reuse {
    /// Requests that one instance answers before it is dropped. Default 128, at least 2.
    pub requests: u32,
    /// Requests that one instance answers at once; more than 1 only with `wasi:http/handler@0.3`. Default 1.
    pub concurrency: u32,
    /// How long an instance waits for its next request. Default 10 s, at most 60 s: it holds a place of the host's.
    #[serde(with = "size::duration")]
    pub idle: Duration,
}

impl Default for Reuse {
    fn default() -> Self {
        Self { requests: 128, concurrency: 1, idle: Duration::from_secs(10) }
    }
}

/// Names that a component may open; what is not here is `denied`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Grants {
    /// Databases, by the names that the operator gave them.
    pub pg: Vec<String>,
    /// Buckets. Services that are granted the same bucket share it.
    pub kv: Vec<String>,
    /// Hosts for outbound HTTP: `api.example.com` (https, port 443), `http://api.example.com:8080`,
    /// `*.example.com` for all names below it. What is not on the Internet is also the operator's to permit:
    /// [`crate::HttpConfig::private`].
    pub http: Vec<String>,
}

/// What one request may use. Defaults and ceilings are those of behaviour.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Limits {
    /// Linear memories and tables of the instance, summed. Default 64 MiB, at most 512 MiB.
    pub memory: ByteSize,
    /// The guest's own CPU time until its reply, and again for every chunk that it streams.
    /// Default 100 ms, at most 10 s.
    #[serde(with = "size::duration")]
    pub cpu: Duration,
    /// Wall clock until the reply, and again for every chunk. Default 10 s, at most 120 s.
    #[serde(with = "size::duration")]
    pub wall: Duration,
    /// Request body. Default 10 MiB, at most 100 MiB.
    pub body: ByteSize,
    /// Requests of this service that run at once; 128 more wait for up to 250 ms. Default 64, at
    /// most 1,000.
    pub concurrency: u32,
}

impl Limits {
    /// The most that any manifest gets unless the operator says otherwise.
    pub const CEILING: Self = Self {
        memory: ByteSize::mib(512),
        cpu: Duration::from_secs(10),
        wall: Duration::from_secs(120),
        body: ByteSize::mib(100),
        concurrency: 1_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(64),
            cpu: Duration::from_millis(100),
            wall: Duration::from_secs(10),
            body: ByteSize::mib(10),
            concurrency: 64,
        }
    }
}

/// Where SQL files are and which database they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Migrations {
    /// Relative to the manifest. Default `migrations`.
    pub folder: PathBuf,
    /// A granted database. None for the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
}

/// Statements that a component runs, for languages whose bindings do not record them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct Sql {
    /// Relative to the manifest; statements end with a semicolon.
    pub files: Vec<PathBuf>,
    /// A granted database. None for the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
}

/// Channels of one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Listen {
    /// A granted database. None for the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Names as in `LISTEN`, with their capitals; 1 to 63 bytes each.
    pub channels: Vec<String>,
}

/// Keys of one bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Watch {
    /// A granted bucket. None for the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Only keys that begin with this. Default: all.
    #[serde(default)]
    pub prefix: String,
}

/// What a component asks of one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[non_exhaustive]
pub struct BucketNeeds {
    /// Features that the bucket must have; a deploy where one is missing is refused.
    pub needs: BTreeSet<Feature>,
}

/// What a bucket may be able to do: `features` in `wit/kv.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the contract says what they mean")]
pub enum Feature {
    Conditions,
    Ttl,
    Counters,
    Transactions,
    Ordered,
    Watch,
    Durable,
    Linearizable,
}

impl Feature {
    const ALL: [(Self, &str); 8] = [
        (Self::Conditions, "conditions"),
        (Self::Ttl, "ttl"),
        (Self::Counters, "counters"),
        (Self::Transactions, "transactions"),
        (Self::Ordered, "ordered"),
        (Self::Watch, "watch"),
        (Self::Durable, "durable"),
        (Self::Linearizable, "linearizable"),
    ];
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = Self::ALL.iter().find(|(feature, _)| feature == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl From<Feature> for Features {
    fn from(feature: Feature) -> Self {
        match feature {
            Feature::Conditions => Self::CONDITIONS,
            Feature::Ttl => Self::TTL,
            Feature::Counters => Self::COUNTERS,
            Feature::Transactions => Self::TRANSACTIONS,
            Feature::Ordered => Self::ORDERED,
            Feature::Watch => Self::WATCH,
            Feature::Durable => Self::DURABLE,
            Feature::Linearizable => Self::LINEARIZABLE,
        }
    }
}

impl Default for Migrations {
    fn default() -> Self {
        Self { folder: PathBuf::from("migrations"), database: None }
    }
}

impl Manifest {
    /// Reads and checks the text of a `wharf.toml`.
    ///
    /// # Errors
    /// Bad TOML, an unknown key (with the nearest known one), and every value out of its bounds.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        parse::parse(text)
    }

    /// A manifest for `name` that answers every path and is granted nothing.
    ///
    /// # Errors
    /// A name that is none.
    pub fn minimal(name: &str) -> Result<Self, ManifestError> {
        let manifest = Self {
            name: name.to_owned(),
            component: None,
            build: None,
            routes: ["/", "/{*path}"]
                .map(|path| Route {
                    host: None,
                    path: path.to_owned(),
                    methods: Vec::new(),
                    guards: Vec::new(),
                    compress: false,
                })
                .into(),
            guards: BTreeMap::new(),
            guard: false,
            health: None,
            imports: None,
            middleware: Vec::new(),
            reuse: None,
            grants: Grants::default(),
            limits: Limits::default(),
            config: BTreeMap::new(),
            migrations: None,
            sql: None,
            listen: Vec::new(),
            watch: Vec::new(),
            kv: BTreeMap::new(),
        };
        parse::check(&manifest)?;
        Ok(manifest)
    }

    /// The database that migrations change, when there is one.
    #[must_use]
    pub fn migration_database(&self) -> Option<&str> {
        let named = self.migrations.as_ref().and_then(|m| m.database.as_deref());
        named.or_else(|| self.grants.pg.first().map(String::as_str))
    }

    /// Files beside the manifest that are part of the artifact: middleware, and keys of guards.
    #[must_use]
    pub fn files(&self) -> Vec<&str> {
        let keys = self.guards.values().filter_map(|guard| match guard {
            Guard::Jwt(jwt) if !jwt.fetches() => Some(jwt.jwks.as_str()),
            _ => None,
        });
        self.middleware.iter().map(String::as_str).chain(keys).collect()
    }

    /// The prefixes that the component watches, by bucket.
    #[must_use]
    pub fn prefixes(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut prefixes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for watch in &self.watch {
            if let Some(bucket) = watch.bucket.as_ref().or_else(|| self.grants.kv.first()) {
                prefixes.entry(bucket).or_default().push(&watch.prefix);
            }
        }
        prefixes
    }

    /// The channels that the component listens on, by database.
    #[must_use]
    pub fn channels(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut channels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for listen in &self.listen {
            if let Some(database) = listen.database.as_ref().or_else(|| self.grants.pg.first()) {
                channels.entry(database).or_default().extend(listen.channels.iter().map(String::as_str));
            }
        }
        channels
    }
}
