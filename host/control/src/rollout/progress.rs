//! What is told of a rollout while it goes on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};
use utoipa::ToSchema;
use wharf_host::{LoadStep, Release};

use crate::kill_point::kill_point;
use crate::record::Deployment;

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The service.
    pub service: String,
    /// Which step is done; where `begins` says so, which one begins.
    pub stage: Stage,
    /// The step is not done but begins now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begins: bool,
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
    /// World, imports, grants and limits fit.
    Verify,
    /// Machine code is there.
    Compile,
    /// It is linked, an instance starts, and its guards and routes fit.
    Start,
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
    /// Code that was made quickly gave way to the best.
    Optimize,
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
    last: Mutex<Instant>,
    /// What of loading goes on, and since when.
    loading: Mutex<Option<(Stage, Instant)>>,
}

impl Progress {
    pub(super) fn new(
        service: &str,
        all: broadcast::Sender<Event>,
        one: Option<mpsc::Sender<Event>>,
    ) -> Self {
        Self {
            service: service.to_owned(),
            all,
            one,
            last: Mutex::new(Instant::now()),
            loading: Mutex::default(),
        }
    }

    /// A step that took the time since the last one.
    pub(super) fn stage(&self, stage: Stage, deployment: Option<&Deployment>) {
        let took = self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        self.tell(stage, took, deployment, String::new());
    }

    /// A step of loading begins: the one before is done.
    pub(super) fn begins(&self, step: LoadStep) {
        self.step_done();
        let stage = match step {
            LoadStep::Compile => Stage::Compile,
            LoadStep::Start => Stage::Start,
            LoadStep::Migrate => Stage::Migrate,
            LoadStep::CheckSql => Stage::CheckSql,
            _ => Stage::Verify,
        };
        *self.loading.lock().unwrap_or_else(PoisonError::into_inner) = Some((stage, Instant::now()));
        self.send(stage, true, Duration::ZERO, None, String::new());
    }

    fn step_done(&self) {
        let step = self.loading.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stage, since)) = step {
            self.tell(stage, since.elapsed(), None, String::new());
        }
    }

    /// All of loading is done.
    pub(super) fn loaded(&self, release: &Arc<Release>) {
        self.step_done();
        for warning in release.warnings() {
            self.tell(Stage::Warning, Duration::ZERO, None, warning.clone());
        }
    }

    pub(super) fn tell(&self, stage: Stage, took: Duration, deployment: Option<&Deployment>, detail: String) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.send(stage, false, took, deployment, detail);
    }

    fn send(
        &self,
        stage: Stage,
        begins: bool,
        took: Duration,
        deployment: Option<&Deployment>,
        detail: String,
    ) {
        kill_point(|| format!("{}{stage:?}", if begins { "begins-" } else { "" }).to_lowercase());
        let event = Event {
            service: self.service.clone(),
            stage,
            begins,
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
