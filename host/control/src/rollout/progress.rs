//! What is told of a rollout while it goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};
use utoipa::ToSchema;
use wharf_host::Release;

use crate::record::Deployment;

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The service.
    pub service: String,
    /// Which step is done.
    pub stage: Stage,
    /// How long it took.
    pub micros: u64,
    /// The deployment, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
    /// What else there is to say: warnings, error rates.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// A step of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stage {
    /// The blobs are here.
    Check,
    /// World, imports, grants and limits fit, and an instance starts.
    Verify,
    /// Machine code is there.
    Compile,
    /// The database has every migration.
    Migrate,
    /// The SQL fits the database.
    CheckSql,
    /// Its health path answered.
    Probe,
    /// The release is at hand, but will surprise its author.
    Warning,
    /// It is remembered.
    Record,
    /// It answers.
    Publish,
    /// The deployment holds.
    Done,
    /// The release did well while it was watched.
    Watched,
    /// The release failed too often: the one before answers again.
    RolledBack,
}

/// Tells of one rollout.
pub(super) struct Progress {
    service: String,
    all: broadcast::Sender<Event>,
    one: Option<mpsc::Sender<Event>>,
    last: Instant,
}

impl Progress {
    pub(super) fn new(
        service: &str,
        all: broadcast::Sender<Event>,
        one: Option<mpsc::Sender<Event>>,
    ) -> Self {
        Self { service: service.to_owned(), all, one, last: Instant::now() }
    }

    /// A step that took the time since the last one.
    pub(super) fn stage(&mut self, stage: Stage, deployment: Option<&Deployment>) {
        let took = self.last.elapsed();
        self.tell(stage, took, deployment, String::new());
    }

    /// The steps of loading.
    pub(super) fn loaded(&mut self, release: &Arc<Release>, took: Duration) {
        let timings = release.timings();
        let others = timings.compile + timings.migrate + timings.check_sql;
        self.tell(Stage::Verify, took.saturating_sub(others), None, String::new());
        self.tell(Stage::Compile, timings.compile, None, String::new());
        if !release.manifest().grants.pg.is_empty() {
            self.tell(Stage::Migrate, timings.migrate, None, String::new());
            self.tell(Stage::CheckSql, timings.check_sql, None, String::new());
        }
        for warning in release.warnings() {
            self.tell(Stage::Warning, Duration::ZERO, None, warning.clone());
        }
    }

    pub(super) fn tell(
        &mut self,
        stage: Stage,
        took: Duration,
        deployment: Option<&Deployment>,
        detail: String,
    ) {
        self.last = Instant::now();
        let event = Event {
            service: self.service.clone(),
            stage,
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            deployment: deployment.cloned(),
            detail,
        };
        if let Some(one) = &self.one {
            let _full_or_gone = one.try_send(event.clone());
        }
        let _nobody_listens = self.all.send(event);
    }
}
