//! The service under test, with everything that it has for itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wharf_control::Project;
use wharf_host::kv::Bucket;
use wharf_host::{Artifact, Clock, Config, DatabaseConfig, Effort, Faults, Host};

use crate::build;
use crate::call::Call;
use crate::clock::TestClock;
use crate::database::{self, Databases};
use crate::error::Error;
use crate::stand::Stand;
use crate::upstream::Upstream;

/// Instances that one test may have alive at once; each reserves address space.
const INSTANCES: u32 = 16;
/// An interpreter's component takes its time to compile on a busy machine.
const COMPILING: Duration = Duration::from_secs(180);

/// A service that runs for one test. Dropping it ends the test's database and upstream.
///
/// # Panics
/// When it is dropped, and the upstream was not asked as it was expected to be: [`Upstream::verify`].
#[derive(Debug)]
pub struct Service {
    host: Host,
    name: String,
    clock: Arc<TestClock>,
    upstream: Upstream,
    databases: Copies,
    is_verified: bool,
}

/// What a test's service is started with.
#[derive(Debug)]
#[must_use = "a service is started with `start`"]
pub struct Builder {
    folder: PathBuf,
    beside: Vec<PathBuf>,
    stand: Option<Stand>,
    wharf: Option<PathBuf>,
}

impl Builder {
    /// Serves another service beside it, which it needs: a guard, for example. Both have the same databases and buckets.
    pub fn beside(mut self, folder: impl Into<PathBuf>) -> Self {
        self.beside.push(folder.into());
        self
    }

    /// On this ground instead of the one that all tests of the folder share.
    pub fn on(mut self, stand: &Stand) -> Self {
        self.stand = Some(stand.clone());
        self
    }

    /// Built by this program instead of `wharf` from `PATH`, or the one in `WHARF`.
    pub fn built_by(mut self, wharf: impl Into<PathBuf>) -> Self {
        self.wharf = Some(wharf.into());
        self
    }

    /// Builds what is not built, copies the databases, and serves.
    ///
    /// # Errors
    /// Whatever keeps it from serving; see [`Error`].
    pub async fn start(self) -> Result<Service, Error> {
        let absolute = |folder: &Path| {
            let found = folder.canonicalize();
            found.map_err(|source| Error::Io { what: "find", path: folder.to_owned(), source })
        };
        let folder = absolute(&self.folder)?;
        let mut projects = Vec::with_capacity(self.beside.len() + 1);
        for folder in self.beside.iter().chain([&self.folder]) {
            let folder = absolute(folder)?;
            build::build(&folder, self.wharf.as_deref()).await?;
            let failed = |source| Error::Project { path: folder.clone(), source };
            projects.push(Project::open(&folder).map_err(failed)?);
        }
        let stand = match self.stand {
            Some(stand) => stand,
            None => Stand::shared(&folder)?,
        };
        Service::start(&stand, &projects).await
    }
}

impl Service {
    /// The service of a folder with a `wharf.toml`, built if it is not.
    ///
    /// # Errors
    /// Whatever keeps it from serving; see [`Error`].
    pub async fn of(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::builder(folder).start().await
    }

    /// The same with more to be said.
    pub fn builder(folder: impl Into<PathBuf>) -> Builder {
        Builder { folder: folder.into(), beside: Vec::new(), stand: None, wharf: None }
    }

    /// Serves projects that are built: the last is the one under test, those before it are what it needs.
    ///
    /// # Errors
    /// Whatever keeps it from serving; see [`Error`].
    pub async fn start(stand: &Stand, projects: &[Project]) -> Result<Self, Error> {
        let mut artifacts = Vec::with_capacity(projects.len());
        for project in projects {
            let path = || project.folder().to_owned();
            artifacts.push(project.artifact().map_err(|source| Error::Project { path: path(), source })?);
        }
        let name = projects.last().map(|project| project.manifest().name.clone()).unwrap_or_default();
        let asks = artifacts.iter().any(|artifact| !artifact.manifest.grants.http.is_empty());
        let databases = Copies::make(stand, &artifacts).await?;
        let upstream = Upstream::start(stand, asks).await?;
        let clock = Arc::new(TestClock::default());

        let mut config = Config::default();
        for (name, copy) in &databases.by_grant {
            config.databases.insert(name.clone(), DatabaseConfig::new(copy.url.as_str()));
        }
        if asks {
            config.http.roots = Some(stand.authority().await?.file().to_owned());
        }
        config.http.resolver = upstream.resolver();
        config.http.private = vec!["127.0.0.1".parse().expect("an address is a network")];
        config.cores = std::num::NonZeroUsize::MIN;
        config.instances = INSTANCES;
        config.compile_cache = Some(stand.machine_code());
        config.compile_timeout = COMPILING;
        config.faults = Faults::Shown;
        config.clock = clock.clone();
        config.observer = Some(stand.coverage().clone());
        let host = Host::builder().config(config).build()?;
        let service = Self { host, name, clock, upstream, databases, is_verified: false };
        for artifact in artifacts {
            service.load(stand, artifact).await?;
        }
        Ok(service)
    }

    /// Loads, asks whether it is well, and publishes, as a deploy does.
    async fn load(&self, stand: &Stand, artifact: Artifact) -> Result<(), Error> {
        let service = artifact.manifest.name.clone();
        let release = {
            let _alone = stand.load_alone().await;
            self.host.load_watched(artifact, Effort::Draft, |_step| {}).await
        };
        let failed = |source| Error::Load { service: service.clone(), source: Box::new(source) };
        let release = release.map_err(failed)?;
        if let Err(source) = self.host.probe(&release).await {
            return Err(Error::Probe { service, source });
        }
        self.host.publish(release).map_err(|source| Error::Publish { service, source })
    }

    /// Serves these instead, with all that there is: what a deploy does. Requests under way finish on what they began with.
    ///
    /// # Errors
    /// Whatever keeps them from serving; then what served serves on.
    pub async fn redeploy(&self, stand: &Stand, projects: &[Project]) -> Result<(), Error> {
        for project in projects {
            let path = || project.folder().to_owned();
            let artifact = project.artifact().map_err(|source| Error::Project { path: path(), source })?;
            self.load(stand, artifact).await?;
        }
        Ok(())
    }

    /// A request with this method and target.
    ///
    /// # Panics
    /// When they are none.
    #[track_caller]
    pub fn request(&self, method: &str, target: &str) -> Call<'_> {
        Call::new(self, method, target)
    }

    /// A GET.
    #[track_caller]
    pub fn get(&self, target: &str) -> Call<'_> {
        self.request("GET", target)
    }

    /// A POST.
    #[track_caller]
    pub fn post(&self, target: &str) -> Call<'_> {
        self.request("POST", target)
    }

    /// A PUT.
    #[track_caller]
    pub fn put(&self, target: &str) -> Call<'_> {
        self.request("PUT", target)
    }

    /// A PATCH.
    #[track_caller]
    pub fn patch(&self, target: &str) -> Call<'_> {
        self.request("PATCH", target)
    }

    /// A DELETE.
    #[track_caller]
    pub fn delete(&self, target: &str) -> Call<'_> {
        self.request("DELETE", target)
    }

    /// The host that serves it, for everything that is not offered here.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What it shares with other tests: what they covered, for example.
    #[must_use]
    pub fn stand(&self) -> &Stand {
        &self.databases.stand
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// The time of day that it is told.
    #[must_use]
    pub fn now(&self) -> std::time::SystemTime {
        self.clock.now()
    }

    /// What it asks by HTTP.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// A bucket of its host, for what a test puts there beforehand or looks for afterwards.
    #[must_use]
    pub fn bucket(&self, name: &str) -> Bucket {
        self.host.stores().bucket(name)
    }

    /// The address of a database that it is granted, for a client of the test's own.
    ///
    /// # Errors
    /// A name that it is not granted.
    pub fn database_url(&self, name: &str) -> Result<&str, Error> {
        let copy = self.databases.by_grant.get(name);
        let unknown = || Error::NoDatabase { service: self.name.clone(), database: name.to_owned() };
        Ok(copy.ok_or_else(unknown)?.url.as_str())
    }

    /// Runs statements in a database that it is granted, on a connection of their own, and gives the rows of all of them as
    /// text.
    ///
    /// # Errors
    /// A name that it is not granted, or what the server says.
    pub async fn sql(&self, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        database::run(self.database_url(database)?, sql).await
    }

    /// The same service, which does not panic when it is dropped: whoever has it asks [`Upstream::verify`].
    #[must_use]
    pub fn without_verification(mut self) -> Self {
        self.is_verified = true;
        self
    }
}

impl Drop for Service {
    #[expect(clippy::panic, reason = "an assertion of a test")]
    fn drop(&mut self) {
        if !self.is_verified
            && !std::thread::panicking()
            && let Err(why) = self.upstream.verify()
        {
            panic!("{why}");
        }
    }
}

/// The databases of one test.
#[derive(Debug)]
struct Copies {
    by_grant: BTreeMap<String, Copy>,
    stand: Stand,
    server: Option<Arc<Databases>>,
}

#[derive(Debug)]
struct Copy {
    database: String,
    url: String,
}

impl Copies {
    async fn make(stand: &Stand, artifacts: &[Artifact]) -> Result<Self, Error> {
        let mut copies = Self { by_grant: BTreeMap::new(), stand: stand.clone(), server: None };
        for name in artifacts.iter().flat_map(|artifact| &artifact.manifest.grants.pg) {
            if copies.by_grant.contains_key(name) {
                continue;
            }
            let server = stand.databases().await?.clone();
            copies.server = Some(server.clone());
            let (granted, artifacts) = (name.clone(), artifacts.to_vec());
            let made = stand.run(async move { server.copy(&granted, &artifacts).await }).await?;
            copies.by_grant.insert(name.clone(), Copy { database: made.0, url: made.1 });
        }
        Ok(copies)
    }
}

impl Drop for Copies {
    /// Drops the databases, behind the test.
    fn drop(&mut self) {
        let Some(server) = self.server.take() else { return };
        let names: Vec<String> =
            std::mem::take(&mut self.by_grant).into_values().map(|copy| copy.database).collect();
        self.stand.runtime().spawn(async move {
            for name in names {
                server.discard(&name).await;
            }
        });
    }
}
