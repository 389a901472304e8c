//! What can be known of an artifact before it is compiled: whether it fits its manifest, and both fit this host.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::kv::{self, Stores};
use crate::manifest::{ByteSize, Feature, Imports, Limits, Manifest};
use crate::release::inspect::{GUARD, HTTP_HANDLER, KV_WATCHER, LIFECYCLE, PG_LISTENER, PLATFORM};
use crate::release::{Artifact, HandlerKind, Inspection, inspect};

use super::{LARGEST, LoadError, Loader};

pub(super) fn check(host: &Loader<'_>, artifact: &Artifact) -> Result<Inspection, LoadError> {
    if artifact.component.len() > LARGEST {
        return Err(LoadError::TooLarge { size: artifact.component.len() });
    }
    let inspection = inspect(&artifact.component)?;
    if inspection.handler.is_none() && !artifact.manifest.routes.is_empty() {
        return Err(LoadError::NoHandler(list(&inspection.exports)));
    }
    if !inspection.listens() && !artifact.manifest.listen.is_empty() {
        return Err(LoadError::NoListener(list(&inspection.exports)));
    }
    if !inspection.watches() && !artifact.manifest.watch.is_empty() {
        return Err(LoadError::NoWatcher(list(&inspection.exports)));
    }
    let several = artifact.manifest.reuse.as_ref().is_some_and(|reuse| reuse.concurrency > 1);
    if several && inspection.handler != Some(HandlerKind::Wasi03) {
        return Err(LoadError::Concurrency);
    }
    if !inspection.guards() && artifact.manifest.guard {
        return Err(LoadError::NoGuard(list(&inspection.exports)));
    }
    let called = [HTTP_HANDLER, PG_LISTENER, KV_WATCHER, GUARD, LIFECYCLE];
    let others = |name: &&String| name.starts_with(PLATFORM) && !called.contains(&name.as_str());
    if let Some(export) = inspection.exports.iter().find(others) {
        return Err(LoadError::Export(export.clone()));
    }
    let served = |name: &str| {
        (name.starts_with("wasi:") && !name.starts_with("wasi:keyvalue/"))
            || host.capabilities.iter().any(|c| c.interfaces().contains(&name))
    };
    if let Some(import) = inspection.imports.iter().find(|name| !served(name)) {
        return Err(LoadError::Import(import.clone()));
    }
    if artifact.manifest.imports == Some(Imports::Strict)
        && let Some(denied) = denied(&inspection, &artifact.manifest).next()
    {
        return Err(LoadError::Ungranted(denied));
    }
    check_ceiling(&artifact.manifest.limits, &host.config.ceiling)?;
    Ok(inspection)
}

/// Refuses a manifest that needs what its buckets cannot do: now, not when a guest finds out.
pub(super) async fn check_features(stores: &Stores, manifest: &Manifest) -> Result<(), LoadError> {
    let mut wanted: BTreeMap<&str, BTreeSet<Feature>> = BTreeMap::new();
    for (bucket, asked) in &manifest.kv {
        wanted.entry(bucket).or_default().extend(&asked.needs);
    }
    for bucket in manifest.prefixes().into_keys() {
        wanted.entry(bucket).or_default().insert(Feature::Watch);
    }
    wanted.retain(|_, features| !features.is_empty());
    for (bucket, wanted) in wanted {
        let failed = |error: kv::Error| LoadError::Bucket {
            bucket: bucket.to_owned(),
            source: kv::explain(&error).into(),
        };
        let has = stores.bucket(bucket).features().await.map_err(failed)?;
        let missing: Vec<_> = wanted.into_iter().filter(|feature| !has.contains((*feature).into())).collect();
        if !missing.is_empty() {
            let missing: Vec<String> = missing.into_iter().map(|feature| format!("`{feature}`")).collect();
            return Err(LoadError::Features { bucket: bucket.to_owned(), missing: missing.join(", ") });
        }
    }
    Ok(())
}

fn check_ceiling(asked: &Limits, most: &Limits) -> Result<(), LoadError> {
    let size = |n: ByteSize| (n.as_u64(), n.to_string());
    let span = |d: Duration| (u64::try_from(d.as_millis()).unwrap_or(u64::MAX), format!("{d:?}"));
    let count = |n: u32| (u64::from(n), n.to_string());
    let rows = [
        ("memory", size(asked.memory), size(most.memory)),
        ("cpu", span(asked.cpu), span(most.cpu)),
        ("wall", span(asked.wall), span(most.wall)),
        ("body", size(asked.body), size(most.body)),
        ("concurrency", count(asked.concurrency), count(most.concurrency)),
    ];
    for (limit, asked, most) in rows {
        if asked.0 > most.0 {
            return Err(LoadError::Ceiling { limit, asked: asked.1, most: most.1 });
        }
    }
    Ok(())
}

/// Imports that can only be denied, in words.
fn denied(inspection: &Inspection, manifest: &Manifest) -> impl Iterator<Item = String> {
    let granted = |kind: &str| match kind {
        "pg" => !manifest.grants.pg.is_empty(),
        "kv" => !manifest.grants.kv.is_empty(),
        _ => !manifest.grants.http.is_empty(),
    };
    let missing = inspection.grants.iter().filter(move |kind| !granted(kind));
    missing.map(|kind| format!("it imports what needs a `{kind}` grant and has none"))
}

pub(super) fn warnings(inspection: &Inspection, manifest: &Manifest) -> Vec<String> {
    let denied = denied(inspection, manifest).map(|what| format!("{what}: every open will be denied"));
    let deaf = inspection.listens() && manifest.listen.is_empty();
    let deaf =
        deaf.then(|| "it can listen, but the manifest has no `[[listen]]`: it is never called".to_owned());
    let blind = inspection.watches() && manifest.watch.is_empty();
    let blind =
        blind.then(|| "it can watch, but the manifest has no `[[watch]]`: it is never called".to_owned());
    denied.chain(deaf).chain(blind).collect()
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { format!("`{}`", names.join("`, `")) }
}
