//! What an operator does with buckets: commands and answers that travel as JSON, so that they work the same on a
//! store that is opened here and on one that a running host has open.
//!
//! A file of buckets belongs to one process. While a host has it open, that host takes the commands on a socket
//! beside the file, which only its own user may use.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;
use wharf_host::kv::{self, Condition, Entry, PutItem, ScanOptions, Stores, Usage};

/// Bytes of one command: a thousand entries come in several.
const LARGEST: usize = 64 << 20;
/// How long a host may take for one command.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KvCommand {
    /// The buckets that hold something.
    Buckets,
    /// One page of entries.
    Scan {
        /// The bucket.
        bucket: String,
        /// Only keys that begin with this.
        prefix: String,
        /// `next` of the page before.
        cursor: Option<String>,
        /// 1 to 1,000 entries.
        limit: u32,
        /// Leave the values out.
        keys_only: bool,
    },
    /// One entry.
    Get {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// Stores entries; with `if_absent` only those whose keys are not there.
    Put {
        /// The bucket.
        bucket: String,
        /// What to store; versions are given anew.
        entries: Vec<KvEntry>,
        /// Whether to leave alone what is there.
        if_absent: bool,
    },
    /// Deletes keys.
    Delete {
        /// The bucket.
        bucket: String,
        /// The keys.
        keys: Vec<String>,
    },
}

/// An entry as it is exported: one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvEntry {
    /// The key.
    pub key: String,
    /// The value, in base64 when it is written down.
    #[serde(with = "base64_text")]
    pub value: Vec<u8>,
    /// Given by the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Unix time in milliseconds; none for what stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KvAnswer {
    /// Name, entries and bytes of each bucket.
    Buckets(BTreeMap<String, (u64, u64)>),
    /// Entries, and where to go on.
    Page {
        /// In the order of keys.
        entries: Vec<KvEntry>,
        /// None after the last page.
        next: Option<String>,
    },
    /// None when there is no such key.
    Entry(Option<KvEntry>),
    /// How many entries were stored or deleted.
    Changed(u64),
    /// A sentence about what went wrong.
    Failed(String),
}

/// Does it here.
pub async fn run(stores: &Stores, command: KvCommand) -> KvAnswer {
    done(stores, command).await.unwrap_or_else(|error| KvAnswer::Failed(kv::explain(&error)))
}

async fn done(stores: &Stores, command: KvCommand) -> Result<KvAnswer, kv::Error> {
    Ok(match command {
        KvCommand::Buckets => {
            let pair = |(name, usage): (String, Usage)| (name, (usage.entries, usage.bytes));
            KvAnswer::Buckets(stores.buckets().await?.into_iter().map(pair).collect())
        }
        KvCommand::Scan { bucket, prefix, cursor, limit, keys_only } => {
            let options =
                ScanOptions { prefix, start: None, end: None, reverse: false, keys_only, limit, cursor };
            let page = stores.bucket(&bucket).scan(options).await?;
            let entries = page.entries.into_iter().map(|(key, entry)| exported(key, entry)).collect();
            KvAnswer::Page { entries, next: page.next }
        }
        KvCommand::Get { bucket, key } => {
            let entry = stores.bucket(&bucket).get(key.clone()).await?;
            KvAnswer::Entry(entry.map(|entry| exported(key, entry)))
        }
        KvCommand::Put { bucket, entries, if_absent } => {
            let bucket = stores.bucket(&bucket);
            let (mut changed, mut items) = (0, Vec::new());
            for entry in entries {
                let ttl_ms = match entry.expires_at.map(|at| at.saturating_sub(now())) {
                    // It has expired on its way here.
                    Some(0) => continue,
                    ttl => ttl,
                };
                let item = PutItem { key: entry.key, value: entry.value, ttl_ms };
                if if_absent {
                    changed += u64::from(bucket.put(item, Condition::IfAbsent).await?.is_some());
                } else {
                    changed += 1;
                    items.push(item);
                }
            }
            bucket.put_many(items).await?;
            KvAnswer::Changed(changed)
        }
        KvCommand::Delete { bucket, keys } => {
            let bucket = stores.bucket(&bucket);
            let mut changed = 0;
            for key in keys {
                changed += u64::from(bucket.delete(key, Condition::Always).await?);
            }
            KvAnswer::Changed(changed)
        }
    })
}

fn exported(key: String, entry: Entry) -> KvEntry {
    KvEntry { key, value: entry.value, version: Some(entry.version), expires_at: entry.expires_at }
}

/// Unix time in milliseconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Where the host that has the buckets of `folder` open takes commands.
#[must_use]
pub fn socket(folder: &Path) -> PathBuf {
    folder.join("kv.sock")
}

/// Takes commands until it is dropped.
#[derive(Debug)]
pub struct KvSocket {
    path: PathBuf,
    task: AbortHandle,
}

impl Drop for KvSocket {
    fn drop(&mut self) {
        self.task.abort();
        let _gone_already = std::fs::remove_file(&self.path);
    }
}

/// Takes commands for the buckets of `folder`, which this process has open, on the current runtime.
///
/// # Errors
/// A path that is too long for a socket (about 100 bytes), or a folder that cannot be written.
pub fn serve(stores: Stores, folder: &Path) -> io::Result<KvSocket> {
    let path = socket(folder);
    // Left by a process that was killed: it cannot be another's, the file of buckets is ours.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let answer = async |State(stores): State<Stores>, Json(command): Json<KvCommand>| {
        Json(run(&stores, command).await)
    };
    let router =
        Router::new().route("/", post(answer)).layer(DefaultBodyLimit::max(LARGEST)).with_state(stores);
    let task = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
    Ok(KvSocket { path, task })
}

/// Lets the host that has the buckets of `folder` open do it.
///
/// # Errors
/// No host there, or one that does not answer within 30 s.
pub async fn ask(folder: &Path, command: &KvCommand) -> io::Result<KvAnswer> {
    let asked = async {
        let stream = UnixStream::connect(socket(folder)).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let driver = tokio::spawn(connection);
        let body = serde_json::to_vec(command).map_err(io::Error::other)?;
        let request = hyper::Request::post("/")
            .header(hyper::header::HOST, "wharf")
            .header(hyper::header::CONTENT_TYPE, "application/json")
            .body(Full::new(hyper::body::Bytes::from(body)))
            .map_err(io::Error::other)?;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        driver.abort();
        if !status.is_success() {
            let text = String::from_utf8_lossy(&body);
            return Err(io::Error::other(format!("the running host answers {status}: {text}")));
        }
        serde_json::from_slice(&body).map_err(io::Error::other)
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|late| Err(io::Error::other(late)))
}

/// Bytes as base64.
mod base64_text {
    use super::{BASE64_STANDARD, Engine};
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        BASE64_STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
