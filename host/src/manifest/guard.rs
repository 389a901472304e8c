//! Guards as a manifest describes them: what runs before a route's handler and may answer instead.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ByteSize;
use super::size;

/// One guard, under a name that routes list. Written as `[guards.NAME]` with one key, which says its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Guard {
    /// The component of another service of this host, which exports `wharf:platform/guard`.
    Service(String),
    /// A key in a header field, known by its digest.
    ApiKey(ApiKeyGuard),
    /// A signed token in `authorization: Bearer`.
    Jwt(JwtGuard),
    /// Which pages of other origins may call.
    Cors(CorsGuard),
    /// Requests per key and time.
    Rate(RateGuard),
    /// Largest request body of the route; the service's limit holds beside it.
    Body(ByteSize),
}

/// `api-key = { keys = { partner = "sha256:..." } }`: the name is annotated as `api-key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct ApiKeyGuard {
    /// The header field that carries the key. Default `x-api-key`.
    #[serde(default = "ApiKeyGuard::default_header")]
    pub header: String,
    /// SHA-256 of each key, as `sha256:` and 64 hexadecimal digits, by the name of its holder.
    pub keys: BTreeMap<String, String>,
}

impl ApiKeyGuard {
    fn default_header() -> String {
        "x-api-key".to_owned()
    }
}

/// `jwt = { jwks = "keys.json", issuer = "...", audience = "..." }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct JwtGuard {
    /// Public keys: a file beside the manifest, or an `https` address that `grants.http` lists. Keys from an
    /// address are fetched anew every ten minutes, and at once (at most every 30 s) for a key id that is not there.
    pub jwks: String,
    /// What `iss` must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What `aud` must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Claims that the handler gets, by the names of the annotations. Default: `sub` as `user`.
    #[serde(default = "JwtGuard::default_claims")]
    pub annotate: BTreeMap<String, String>,
}

impl JwtGuard {
    fn default_claims() -> BTreeMap<String, String> {
        BTreeMap::from([("user".to_owned(), "sub".to_owned())])
    }

    /// Whether the keys are at an address rather than in a file.
    #[must_use]
    pub fn fetches(&self) -> bool {
        self.jwks.contains("://")
    }
}

/// `cors = { origins = ["https://app.example.com"] }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct CorsGuard {
    /// Origins, or `"*"` alone for all.
    pub origins: Vec<String>,
    /// Methods beyond the simple ones. Default: those that were asked for.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Header fields that pages may send. Default: those that were asked for.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Header fields that pages may read.
    #[serde(default)]
    pub expose: Vec<String>,
    /// Whether cookies come along; not with `"*"`.
    #[serde(default)]
    pub credentials: bool,
    /// How long a browser may keep the answer. Default 10 minutes.
    #[serde(default = "CorsGuard::default_max_age", with = "size::duration")]
    pub max_age: Duration,
}

impl CorsGuard {
    fn default_max_age() -> Duration {
        Duration::from_secs(600)
    }
}

/// `rate = { requests = 100, per = "1m" }`: 429 with `retry-after` beyond it. Counted per host and release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct RateGuard {
    /// How many on average; at least 1.
    pub requests: u32,
    /// In which time.
    #[serde(with = "size::duration")]
    pub per: Duration,
    /// How many at once after a pause. Default: `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// What is counted apart: `address` (of IPv6 the first 64 bits), `header:NAME` or `annotation:NAME` of a
    /// guard before this one. Default `address`.
    #[serde(default = "RateGuard::default_key")]
    pub key: String,
}

impl RateGuard {
    fn default_key() -> String {
        "address".to_owned()
    }
}

/// What a rate guard counts apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RateKey {
    Address,
    Header(String),
    Annotation(String),
}

impl RateKey {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "address" => Some(Self::Address),
            Some(("header", name)) => Some(Self::Header(name.to_owned())),
            Some(("annotation", name)) => Some(Self::Annotation(name.to_owned())),
            _ => None,
        }
    }
}

/// What is wrong with a guard: the key below `guards.NAME`, and why.
pub(super) fn check(guard: &Guard) -> Result<(), (String, String)> {
    let wrong = |key: &str, why: String| Err((key.to_owned(), why));
    match guard {
        Guard::Service(name) => match super::parse::is_name(name) {
            true => Ok(()),
            false => wrong("service", format!("is `{name}`: use 1 to 63 of a-z, 0-9 and `-`")),
        },
        Guard::ApiKey(api) if api.keys.is_empty() => {
            wrong("api-key.keys", "is empty: no key would do".into())
        }
        Guard::ApiKey(api) => match api.keys.iter().find(|(_, digest)| digest_of(digest).is_none()) {
            Some((name, _)) => wrong(
                &format!("api-key.keys.{name}"),
                "is no digest: write `sha256:` and 64 hexadecimal digits (`printf %s KEY | sha256sum`)"
                    .into(),
            ),
            None => is_field("api-key.header", &api.header),
        },
        Guard::Jwt(jwt) if jwt.fetches() && !jwt.jwks.starts_with("https://") => {
            wrong("jwt.jwks", format!("is `{}`: name a file, or an address with https", jwt.jwks))
        }
        Guard::Jwt(_) | Guard::Body(_) => Ok(()),
        Guard::Cors(cors) => check_cors(cors),
        Guard::Rate(rate) if rate.requests == 0 || rate.burst == Some(0) => {
            wrong("rate.requests", "is 0: nothing would pass".into())
        }
        Guard::Rate(rate) if rate.per.is_zero() => wrong("rate.per", "is 0: write it like \"1m\"".into()),
        Guard::Rate(rate) => match RateKey::parse(&rate.key) {
            Some(RateKey::Header(name)) => is_field("rate.key", &name),
            Some(_) => Ok(()),
            None => wrong(
                "rate.key",
                format!("is `{}`: write `address`, `header:NAME` or `annotation:NAME`", rate.key),
            ),
        },
    }
}

fn check_cors(cors: &CorsGuard) -> Result<(), (String, String)> {
    let wrong = |key: &str, why: &str| Err((format!("cors.{key}"), why.to_owned()));
    let all = cors.origins.iter().any(|origin| origin == "*");
    let is_origin = |origin: &String| {
        let uri: Result<http::Uri, _> = origin.parse();
        uri.is_ok_and(|uri| uri.scheme().is_some() && uri.authority().is_some()) && !origin.ends_with('/')
    };
    if cors.origins.is_empty() {
        return wrong("origins", "is empty: name origins, or write [\"*\"]");
    }
    if all && (cors.origins.len() > 1 || cors.credentials) {
        return wrong("origins", "has \"*\", which stands alone and without `credentials`");
    }
    if let Some(origin) = cors.origins.iter().find(|origin| !all && !is_origin(origin)) {
        return wrong("origins", &format!("has `{origin}`: write it like \"https://app.example.com\""));
    }
    for (key, list) in [("methods", &cors.methods), ("headers", &cors.headers), ("expose", &cors.expose)] {
        if list.iter().any(|item| item == "*") {
            return wrong(key, "has \"*\": leave it out for those that are asked for");
        }
    }
    if cors.methods.iter().any(|method| http::Method::from_bytes(method.as_bytes()).is_err()) {
        return wrong("methods", "has what is no method: write them like \"PUT\"");
    }
    cors.headers.iter().chain(&cors.expose).try_for_each(|name| is_field("cors.headers", name))
}

fn is_field(key: &str, name: &str) -> Result<(), (String, String)> {
    match http::HeaderName::from_bytes(name.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err((key.to_owned(), format!("has `{name}`, which is no name of a header field"))),
    }
}

/// The 32 bytes behind `sha256:`.
pub(crate) fn digest_of(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64 && digits.is_ascii())?;
    let mut digest = [0; 32];
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::super::Manifest;

    fn error(guards: &str) -> String {
        let text = format!("name = \"x\"\n[[routes]]\npath = \"/\"\nguards = [\"g\"]\n{guards}");
        Manifest::parse(&text).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn guards_that_can_never_work_are_refused() {
        let cases = [
            ("", "`routes.guards` has `g`, which `guards` does not describe"),
            ("[guards.g]\nservice = \"A\"", "`guards.g.service` is `A`: use 1 to 63 of a-z, 0-9 and `-`"),
            ("[guards.g.api-key]\nkeys = {}", "`guards.g.api-key.keys` is empty: no key would do"),
            (
                "[guards.g.rate]\nrequests = 0\nper = \"1s\"",
                "`guards.g.rate.requests` is 0: nothing would pass",
            ),
            (
                "[guards.g.cors]\norigins = [\"app.example.com\"]",
                "`guards.g.cors.origins` has `app.example.com`: write it like \"https://app.example.com\"",
            ),
            (
                "[guards.g.cors]\norigins = [\"*\"]\ncredentials = true",
                "`guards.g.cors.origins` has \"*\", which stands alone and without `credentials`",
            ),
            (
                "[guards.g.cors]\norigins = [\"https://a.example\"]\ncredentials = true\nheaders = [\"*\"]",
                "`guards.g.cors.headers` has \"*\": leave it out for those that are asked for",
            ),
            (
                "[guards.g.jwt]\njwks = \"http://a/keys\"",
                "`guards.g.jwt.jwks` is `http://a/keys`: name a file, or an address with https",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(error(text), message);
        }
        assert!(error("[guards.g.api-key]\nkeys = { a = \"secret\" }").contains("is no digest"));
        assert!(error("[guards.g.rate]\nrequest = 1").contains("request"), "unknown keys are refused");
    }

    #[test]
    fn guards_read_as_they_are_written() {
        assert_eq!(error("[guards.g]\nbody = \"64KiB\""), "");
        assert_eq!(error("[guards.g.rate]\nrequests = 5\nper = \"1m\"\nkey = \"annotation:user\""), "");
        assert_eq!(error("[guards.g]\nservice = \"auth\"\n[guards.h]\ncors = { origins = [\"*\"] }"), "");
    }
}
