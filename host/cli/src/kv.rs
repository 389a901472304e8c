//! `wharf kv`: looks into buckets and changes them, on the store itself or through the host that has it open.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use wharf_control::kv::{self, KvAnswer, KvCommand, KvEntry};
use wharf_host::kv::{KvError, KvStorage, Stores};
use wharf_host::{Config, chain};

use crate::buckets::Buckets;
use crate::output::{self, Paint};

/// Entries that one command moves.
const PAGE: u32 = 500;

/// Look into buckets and change them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf kv ls                                 the buckets in .wharf/kv of this folder
  wharf kv ls sessions user/ --kv redis://cache
  wharf kv get sessions user/1
  wharf kv put sessions user/1 '{\"name\":\"Ada\"}' --ttl 10m
  wharf kv delete sessions user/1 user/2
  wharf kv export sessions > sessions.jsonl
  wharf kv import sessions sessions.jsonl --kv postgres://localhost/app

A folder that a running `wharf serve` or `wharf dev` has open is reached through that host. Exports are lines of JSON:
key, value (base64), version, and expires_at in Unix milliseconds where there is one.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    buckets: Buckets,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List buckets, or the keys of one
    Ls {
        bucket: Option<String>,
        /// Only keys that begin with this
        #[arg(default_value = "")]
        prefix: String,
        /// At most this many
        #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
        limit: u64,
    },
    /// Write a value to standard output
    Get { bucket: String, key: String },
    /// Store a value
    Put {
        bucket: String,
        key: String,
        /// The value; standard input when it is left out
        value: Option<String>,
        /// How long it lives, e.g. 500ms, 30s, 10m, 2h, 7d
        #[arg(long, value_parser = span)]
        ttl: Option<Duration>,
        /// Only when there is no such key
        #[arg(long)]
        if_absent: bool,
    },
    /// Delete keys
    Delete {
        bucket: String,
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Write all entries as lines of JSON
    Export {
        bucket: String,
        /// Only keys that begin with this
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Store entries from lines of JSON
    Import {
        bucket: String,
        /// As `export` writes them; standard input when it is left out
        file: Option<PathBuf>,
        /// Leave alone what is there
        #[arg(long)]
        if_absent: bool,
    },
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { verb, buckets, json } = arguments;
    let access = Access::open(&buckets)?;
    match verb {
        Verb::Ls { bucket: None, .. } => list_buckets(&access, json).await,
        Verb::Ls { bucket: Some(bucket), prefix, limit } => list(&access, &bucket, prefix, limit, json).await,
        Verb::Get { bucket, key } => get(&access, bucket, key, json).await,
        Verb::Put { bucket, key, value, ttl, if_absent } => {
            let value = match value {
                Some(value) => value.into_bytes(),
                None => standard_input()?,
            };
            let expires_at = ttl.map(|ttl| now().saturating_add(millis(ttl)));
            let entries = vec![KvEntry { key: key.clone(), value, version: None, expires_at }];
            let stored = changed(access.run(KvCommand::Put { bucket, entries, if_absent }).await?)?;
            if stored == 0 {
                bail!("key `{key}` is there already");
            }
            report(json, "stored", stored)
        }
        Verb::Delete { bucket, keys } => {
            let deleted = changed(access.run(KvCommand::Delete { bucket, keys }).await?)?;
            report(json, "deleted", deleted)
        }
        Verb::Export { bucket, prefix } => export(&access, &bucket, prefix).await,
        Verb::Import { bucket, file, if_absent } => {
            import(&access, &bucket, file.as_deref(), if_absent, json).await
        }
    }
}

/// The store itself, or the host that has it open.
enum Access {
    Here(Stores),
    Host(PathBuf),
}

impl Access {
    fn open(buckets: &Buckets) -> Result<Self> {
        let mut config = Config::default();
        config.kv = buckets.default_place()?.unwrap_or_else(|| KvStorage::Folder(PathBuf::from(".wharf/kv")));
        config.buckets = buckets.named();
        if config.kv == KvStorage::Memory && config.buckets.is_empty() {
            bail!("memory belongs to the process that uses it: say with `--kv` where the buckets are");
        }
        if let KvStorage::Folder(folder) = &config.kv {
            if !folder.join("kv.redb").exists() {
                bail!("there are no buckets in `{}`: say with `--kv` where they are", folder.display());
            }
            return match Stores::open(&config) {
                Ok(stores) => Ok(Self::Here(stores)),
                Err(KvError::Open { .. }) if kv::socket(folder).exists() => Ok(Self::Host(folder.clone())),
                Err(error) => Err(error.into()),
            };
        }
        Ok(Self::Here(Stores::open(&config)?))
    }

    async fn run(&self, command: KvCommand) -> Result<KvAnswer> {
        let answer = match self {
            Self::Here(stores) => kv::run(stores, command).await,
            Self::Host(folder) => kv::ask(folder, &command)
                .await
                .with_context(|| format!("the host that has `{}` open did not answer", folder.display()))?,
        };
        match answer {
            KvAnswer::Failed(why) => Err(anyhow!(why)),
            answer => Ok(answer),
        }
    }

    /// One page of entries and where to go on.
    async fn page(
        &self,
        bucket: &str,
        prefix: &str,
        cursor: Option<String>,
        keys_only: bool,
    ) -> Result<(Vec<KvEntry>, Option<String>)> {
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        match self.run(KvCommand::Scan { bucket, prefix, cursor, limit: PAGE, keys_only }).await? {
            KvAnswer::Page { entries, next } => Ok((entries, next)),
            other => Err(unexpected(&other)),
        }
    }
}

async fn list_buckets(access: &Access, json: bool) -> Result<()> {
    let buckets = match access.run(KvCommand::Buckets).await? {
        KvAnswer::Buckets(buckets) => buckets,
        other => return Err(unexpected(&other)),
    };
    if json {
        let rows = buckets.iter().map(|(name, (entries, bytes))| {
            serde_json::json!({"bucket": name, "entries": entries, "bytes": bytes})
        });
        return output::json(&rows.collect::<Vec<_>>());
    }
    if buckets.is_empty() {
        output::note("there are no buckets yet");
        return Ok(());
    }
    let rows: Vec<_> = buckets
        .into_iter()
        .map(|(name, (entries, bytes))| [name, entries.to_string(), output::size(bytes)])
        .collect();
    output::result(output::table(Paint::stdout(), ["BUCKET", "ENTRIES", "SIZE"], &rows));
    Ok(())
}

async fn list(access: &Access, bucket: &str, prefix: String, limit: u64, json: bool) -> Result<()> {
    let (mut cursor, mut left) = (None, limit);
    loop {
        let (entries, next) = access.page(bucket, &prefix, cursor, true).await?;
        for entry in entries {
            if left == 0 {
                return Ok(());
            }
            left -= 1;
            if json {
                let KvEntry { key, version, expires_at, .. } = entry;
                line(&serde_json::json!({"key": key, "version": version, "expires_at": expires_at}))?;
            } else {
                output::result(shown(&entry.key));
            }
        }
        if next.is_none() {
            return Ok(());
        }
        cursor = next;
    }
}

async fn get(access: &Access, bucket: String, key: String, json: bool) -> Result<()> {
    match access.run(KvCommand::Get { bucket: bucket.clone(), key: key.clone() }).await? {
        KvAnswer::Entry(Some(entry)) if json => output::json(&entry),
        KvAnswer::Entry(Some(entry)) => {
            let mut out = io::stdout().lock();
            out.write_all(&entry.value)?;
            if out.is_terminal() {
                out.write_all(b"\n")?;
            }
            Ok(out.flush()?)
        }
        KvAnswer::Entry(None) => bail!("bucket `{bucket}` has no key `{key}`"),
        other => Err(unexpected(&other)),
    }
}

async fn export(access: &Access, bucket: &str, prefix: String) -> Result<()> {
    let (mut cursor, mut count) = (None, 0_u64);
    loop {
        let (entries, next) = access.page(bucket, &prefix, cursor, false).await?;
        for entry in &entries {
            line(entry)?;
        }
        count += u64::try_from(entries.len()).unwrap_or(u64::MAX);
        if io::stderr().is_terminal() {
            output::note(format!("{count} entries"));
        }
        if next.is_none() {
            return Ok(());
        }
        cursor = next;
    }
}

async fn import(
    access: &Access,
    bucket: &str,
    file: Option<&Path>,
    if_absent: bool,
    json: bool,
) -> Result<()> {
    let input: Box<dyn BufRead> = match file {
        Some(path) => {
            let file =
                std::fs::File::open(path).with_context(|| format!("failed to read `{}`", path.display()))?;
            Box::new(BufReader::new(file))
        }
        None => Box::new(io::stdin().lock()),
    };
    let (mut entries, mut stored, mut bytes) = (Vec::new(), 0_u64, 0_usize);
    let put = async |entries: Vec<KvEntry>| {
        let bucket = bucket.to_owned();
        changed(access.run(KvCommand::Put { bucket, entries, if_absent }).await?)
    };
    for (index, line) in input.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let number = index + 1;
        let entry: KvEntry = serde_json::from_str(&line)
            .with_context(|| format!("line {number} is no entry; {stored} were stored before it"))?;
        bytes += entry.value.len();
        entries.push(entry);
        // One by one where each has to be looked at: fewer fit into the time of one command.
        let most = if if_absent { PAGE / 10 } else { PAGE };
        if entries.len() >= usize::try_from(most).unwrap_or(usize::MAX) || bytes > 4 << 20 {
            let before = stored;
            stored += put(std::mem::take(&mut entries))
                .await
                .with_context(|| format!("failed before line {number}; at least {before} were stored"))?;
            bytes = 0;
        }
    }
    let before = stored;
    stored +=
        put(entries).await.with_context(|| format!("failed at the end; at least {before} were stored"))?;
    report(json, "stored", stored)
}

fn report(json: bool, what: &str, count: u64) -> Result<()> {
    if json {
        return output::json(&serde_json::json!({ what: count }));
    }
    output::note(format!("{what} {count}"));
    Ok(())
}

fn changed(answer: KvAnswer) -> Result<u64> {
    match answer {
        KvAnswer::Changed(count) => Ok(count),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(answer: &KvAnswer) -> anyhow::Error {
    anyhow!("the running host answered something else than was asked; is it of another version? ({answer:?})")
}

/// A key without what a terminal would take for a command.
fn shown(key: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    key.chars().map(escaped).collect()
}

/// One line of JSON.
fn line(value: &impl serde::Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    Ok(out.write_all(b"\n")?)
}

fn standard_input() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).context("failed to read standard input")?;
    Ok(bytes)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Unix time in milliseconds.
fn now() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// `500ms`, `30s`, `10m`, `2h` or `7d`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let found = units.iter().find_map(|(unit, factor)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*factor).filter(|millis| *millis > 0).map(Duration::from_millis)
    });
    found.ok_or_else(|| format!("`{text}` is no span of time: write it like 30s, 10m or 7d"))
}

/// Takes commands beside each folder of buckets that this process has open.
pub(crate) fn serve(host: &wharf_host::Host) -> Vec<kv::KvSocket> {
    let config = host.config();
    let others = config.buckets.values().filter_map(|bucket| bucket.storage.as_ref());
    let folders: BTreeSet<&Path> = std::iter::once(&config.kv)
        .chain(others)
        .filter_map(|storage| match storage {
            KvStorage::Folder(folder) => Some(folder.as_path()),
            _ => None,
        })
        .collect();
    let socket = |folder: &Path| match kv::serve(host.stores().clone(), folder) {
        Ok(socket) => Some(socket),
        Err(error) => {
            let (why, folder) = (chain(&error), folder.display());
            output::warning(format!(
                "`wharf kv` cannot reach the buckets of `{folder}` while this host runs: {why}"
            ));
            None
        }
    };
    folders.into_iter().filter_map(socket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units_and_keys_no_control_characters() {
        assert_eq!(span("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(span("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(shown("a\u{1b}]0;x\nb"), "a\\u{1b}]0;x\\nb");
        assert!(span("0s").is_err() && span("10").is_err() && span("soon").is_err());
    }
}
