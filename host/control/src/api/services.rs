//! What there is: services, their deployments, and what two of them differ in.

use std::collections::{BTreeMap, BTreeSet};

use axum::Extension;
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wharf_host::{Artifact, inspect};

use crate::artifact::unpack;
use crate::error::ControlError;
use crate::plan::Refusal;
use crate::record::{Deployment, Piece};
use crate::rollout::blocking;
use crate::token::Caller;

use super::sent::Answer;
use super::{Api, Problem};

/// A service as it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ServiceStatus {
    /// Its name.
    pub service: String,
    /// Its last deployment.
    pub deployment: Deployment,
    /// Whether it answers on this host. What should and does not failed to load; the log says why.
    pub answers: bool,
    /// Whether it answers with code that was made quickly, until the best is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interim: bool,
    /// Who gets the requests.
    pub shares: Vec<ShareStatus>,
}

/// What one deployment gets.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ShareStatus {
    /// Its number.
    pub deployment: u64,
    /// Percent of the requests.
    pub percent: f64,
    /// Digest of its release.
    pub release: String,
    /// Bytes of its component.
    pub size: u64,
}

/// Which two deployments.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Pair {
    from: u64,
    to: u64,
}

/// What changed between two deployments.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Bytes of the component, before and after.
    pub size: [u64; 2],
    /// What was added, removed or changed.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// `world`, `import`, `export`, `grant`, `route`, `migration`, `statements`, `file`, `component`, `limit`, `config`,
    /// `manifest`.
    pub what: String,
    /// Which, as it was; none for what is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Which, as it is; none for what is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Say what serves
#[utoipa::path(get, path = "/v1/services", responses((status = 200, body = Vec<ServiceStatus>),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, _caller: Extension<Caller>) -> Answer<Vec<ServiceStatus>> {
    let heads = api.control.ledger().heads().await.map_err(ControlError::from)?;
    let mut services = Vec::with_capacity(heads.len());
    for head in heads {
        let history = history_of(&api, &head.service).await?;
        services.push(status_of(&api, head, &history));
    }
    Ok(Json(services))
}

/// Say how a service is
#[utoipa::path(get, path = "/v1/services/{name}", params(("name" = String, Path)),
    responses((status = 200, body = ServiceStatus),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn status(State(api): State<Api>, Path(service): Path<String>) -> Answer<ServiceStatus> {
    let history = history_of(&api, &service).await?;
    let head = history.last().cloned().ok_or(ControlError::Refused(Refusal::NoService(service)))?;
    Ok(Json(status_of(&api, head, &history)))
}

/// Say what was deployed of a service, the last first
#[utoipa::path(get, path = "/v1/services/{name}/deployments", params(("name" = String, Path)),
    responses((status = 200, body = Vec<Deployment>),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn history(State(api): State<Api>, Path(service): Path<String>) -> Answer<Vec<Deployment>> {
    let mut history = history_of(&api, &service).await?;
    if history.is_empty() {
        return Err(ControlError::Refused(Refusal::NoService(service)).into());
    }
    history.reverse();
    Ok(Json(history))
}

/// Say what a deployment is
#[utoipa::path(get, path = "/v1/services/{name}/deployments/{number}",
    params(("name" = String, Path), ("number" = u64, Path)),
    responses((status = 200, body = Deployment),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn deployment(
    State(api): State<Api>,
    Path((service, number)): Path<(String, u64)>,
) -> Answer<Deployment> {
    let found = history_of(&api, &service).await?.into_iter().find(|found| found.number == number);
    let missing = ControlError::Refused(Refusal::NoDeployment { service, number });
    Ok(Json(found.ok_or(missing)?))
}

/// Say what two deployments differ in
#[utoipa::path(get, path = "/v1/services/{name}/diff", params(("name" = String, Path), ("from" = u64, Query, description = "The earlier one"), ("to" = u64, Query, description = "The later one")),
    responses((status = 200, body = Difference),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn diff(
    State(api): State<Api>,
    Path(service): Path<String>,
    Query(pair): Query<Pair>,
) -> Answer<Difference> {
    let history = history_of(&api, &service).await?;
    let pieces = |number| pieces_of(&service, &history, number);
    let (before, after) = (pieces(pair.from)?, pieces(pair.to)?);
    // As much memory as two uploads.
    let _places = api.uploads.acquire_many(2).await.map_err(|_closed| ControlError::Stopping)?;
    let artifacts = api.control.artifacts().clone();
    let read = blocking(move || {
        let read = |pieces: &[Piece]| unpack(&service, pieces, &*artifacts);
        Ok::<_, ControlError>((facts(&read(&before)?), facts(&read(&after)?)))
    });
    let ((before_size, before), (after_size, after)) = read.await??;
    Ok(Json(Difference { size: [before_size, after_size], changes: changes(&before, &after) }))
}

/// What a deployment runs: what it brought, or what it sends most requests to.
fn pieces_of(service: &str, history: &[Deployment], number: u64) -> Result<Vec<Piece>, ControlError> {
    let numbered = |number| history.iter().find(|found| found.number == number);
    let named = numbered(number);
    let main = named.and_then(|named| named.shares.iter().max_by_key(|share| share.weight));
    let brought = named.and_then(|named| named.artifact.as_ref());
    let main = main.and_then(|share| numbered(share.deployment)).and_then(|found| found.artifact.as_ref());
    let missing = Refusal::NoDeployment { service: service.to_owned(), number };
    let found = brought.or(main).ok_or(ControlError::Refused(missing))?;
    Ok(found.blobs.clone())
}

async fn history_of(api: &Api, service: &str) -> Result<Vec<Deployment>, Problem> {
    Ok(api.control.ledger().history(service).await.map_err(ControlError::from)?)
}

fn status_of(api: &Api, head: Deployment, history: &[Deployment]) -> ServiceStatus {
    let total: u32 = head.shares.iter().map(|share| share.weight).sum();
    let shares = head.shares.iter().map(|share| {
        let found = history.iter().find(|found| found.number == share.deployment);
        let pieces = found.and_then(|found| found.artifact.clone());
        let (release, size) = pieces.map(|pieces| (pieces.release, pieces.size)).unwrap_or_default();
        let percent = f64::from(share.weight) * 100.0 / f64::from(total.max(1));
        ShareStatus { deployment: share.deployment, percent, release, size }
    });
    let release = api.control.release(&head.service);
    ServiceStatus {
        service: head.service.clone(),
        answers: release.is_some(),
        interim: release.is_some_and(|release| release.is_interim()),
        shares: shares.collect(),
        deployment: head,
    }
}

/// What can be compared of an artifact: by kind and name.
type Facts = BTreeMap<(&'static str, String), String>;

fn facts(artifact: &Artifact) -> (u64, Facts) {
    let mut facts = Facts::new();
    let mut add = |what: &'static str, name: &str, value: String| {
        facts.insert((what, name.to_owned()), value);
    };
    if let Ok(inspection) = inspect(&artifact.component) {
        add("world", "", inspection.world.unwrap_or("none").to_owned());
        inspection.imports.iter().for_each(|name| add("import", name, name.clone()));
        inspection.exports.iter().for_each(|name| add("export", name, name.clone()));
    }
    let manifest = &artifact.manifest;
    let grants = [("pg", &manifest.grants.pg), ("kv", &manifest.grants.kv), ("http", &manifest.grants.http)];
    for (kind, names) in grants {
        names.iter().for_each(|name| add("grant", &format!("{kind}.{name}"), format!("{kind}.{name}")));
    }
    for route in &manifest.routes {
        let methods = if route.methods.is_empty() { "*".to_owned() } else { route.methods.join("|") };
        let place = format!("{methods} {}{}", route.host.as_deref().unwrap_or_default(), route.path);
        let guards =
            if route.guards.is_empty() { String::new() } else { format!(" [{}]", route.guards.join(", ")) };
        add("route", &place, format!("{place}{guards}"));
    }
    let limits = serde_json::to_value(&manifest.limits).unwrap_or_default();
    for (name, value) in limits.as_object().into_iter().flatten() {
        add("limit", name, format!("{name} = {value}"));
    }
    manifest.config.iter().for_each(|(key, value)| add("config", key, format!("{key} = {value}")));
    let digest = |bytes: &[u8]| crate::artifact::sha256(bytes).chars().take(12).collect::<String>();
    for file in &artifact.migrations {
        add("migration", &file.name, format!("{} ({})", file.name, digest(file.sql.as_bytes())));
    }
    for file in &artifact.statements {
        add("statements", &file.name, format!("{} ({})", file.name, digest(file.sql.as_bytes())));
    }
    for (name, bytes) in &artifact.files {
        add("file", name, format!("{name} ({})", digest(bytes)));
    }
    add("component", "", digest(&artifact.component));
    (u64::try_from(artifact.component.len()).unwrap_or(u64::MAX), facts)
}

fn changes(before: &Facts, after: &Facts) -> Vec<Change> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differing = keys.into_iter().filter(|key| before.get(key) != after.get(key));
    differing
        .map(|key| Change {
            what: key.0.to_owned(),
            before: before.get(key).cloned(),
            after: after.get(key).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_once() {
        let facts = |pairs: &[(&'static str, &str, &str)]| -> Facts {
            pairs
                .iter()
                .map(|(what, name, value)| ((*what, (*name).to_owned()), (*value).to_owned()))
                .collect()
        };
        let before = facts(&[("grant", "pg.a", "pg.a"), ("world", "", "x"), ("route", "* /", "* /")]);
        let after = facts(&[("grant", "kv.a", "kv.a"), ("world", "", "x"), ("route", "* /", "* / [g]")]);
        let changes = changes(&before, &after);
        let words: Vec<_> = changes
            .iter()
            .map(|change| (change.before.as_deref().unwrap_or("-"), change.after.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(words, [("-", "kv.a"), ("pg.a", "-"), ("* /", "* / [g]")]);
    }
}
