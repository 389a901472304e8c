//! What `wharf serve` and `wharf dev` share: the options of a host, starting it, and its orderly end.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use wharf_host::kv::KvStorage;
use wharf_host::{CompilerProgram, Config, Endpoint, Faults, Host, Release, Serving};

use crate::buckets::Buckets;
use crate::databases::{self, Databases};
use crate::edge::{Edge, Sockets};
use crate::outbound::Outbound;
use crate::output::{self, Paint};

/// The options of a host.
#[derive(Debug, Args)]
pub(crate) struct Hosting {
    #[command(flatten)]
    pub(crate) edge: Edge,
    /// Where a granted database is (or `WHARF_DATABASE_<NAME>` in the environment)
    #[arg(long = "database", value_name = "NAME=URL", value_parser = databases::parse)]
    pub(crate) databases: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) buckets: Buckets,
    #[command(flatten)]
    pub(crate) outbound: Outbound,
    /// Cores that serve requests [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) cores: Option<NonZeroUsize>,
    /// How long compiling a component may take [default: 20]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) compile_timeout: Option<u64>,
    /// How long running requests may take to end at shutdown
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) grace: u64,
    /// How long connections are still taken at shutdown while `/readyz` says no
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) linger: u64,
}

impl Hosting {
    /// A host with these databases, buckets in `kv` unless the command line says where, and machine code kept in
    /// `cache`.
    pub(crate) fn host(
        &self,
        databases: &Databases,
        kv: KvStorage,
        faults: Faults,
        cache: Option<PathBuf>,
    ) -> Result<Host> {
        let mut config = Config::default();
        config.faults = faults;
        if let Some(seconds) = self.compile_timeout {
            config.compile_timeout = Duration::from_secs(seconds);
        }
        config.kv = self.buckets.default_place()?.unwrap_or(kv);
        config.buckets = self.buckets.named();
        self.edge.apply(&mut config)?;
        config.http = self.outbound.config();
        config.compiler = Some(this_program());
        config.compile_cache = cache;
        let mut builder = Host::builder().config(config);
        for (name, url) in databases {
            builder = builder.database(name, url);
        }
        if let Some(cores) = self.cores {
            builder = builder.cores(cores);
        }
        Ok(builder.build()?)
    }

    /// Starts to listen.
    pub(crate) fn listen(host: &Host, sockets: Sockets) -> Result<Serving> {
        allow_files(u64::from(host.config().connections));
        let (endpoints, inherited) = sockets;
        let serving = host.listen_inherited(&endpoints, inherited);
        serving.with_context(|| format!("failed to listen on {}", joined(&endpoints)))
    }

    /// Tells whoever started this that requests are answered from now on.
    pub(crate) fn ready() {
        notify(NotifyState::Ready);
    }

    /// Tells whoever started this that it ends, and goes on accepting for as long as those who ask `/readyz` need.
    pub(crate) async fn leave(&self, signals: &mut Signals) {
        notify(NotifyState::Stopping);
        if self.linger > 0 {
            output::note(format!("not ready any more: connections are still taken for {} s", self.linger));
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(self.linger)) => {}
                () = signals.stop() => {}
            }
        }
    }

    /// Takes no more connections, lets running requests end, and returns.
    pub(crate) async fn shut_down(&self, serving: Serving, signals: &mut Signals) {
        output::note(format!("stopping: running requests have {} s (once more to stop now)", self.grace));
        let all_answered = tokio::select! {
            all = serving.shutdown(Duration::from_secs(self.grace)) => all,
            () = signals.stop() => false,
        };
        if !all_answered {
            output::warning("some requests were cut off");
        }
    }
}

/// Says it to systemd, where that wants to know.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        output::warning(format!("systemd (`NOTIFY_SOCKET`) cannot be told: {error}"));
    }
}

/// This program, as what compiles; by a name that stays right when its file is replaced.
fn this_program() -> CompilerProgram {
    CompilerProgram { path: "/proc/self/exe".into(), arguments: vec!["compile-component".to_owned()] }
}

/// Endpoints on one line.
pub(crate) fn joined(endpoints: &[Endpoint]) -> String {
    endpoints.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(", ")
}

/// Files that a host opens besides its connections: stores, components, connections to databases.
const OTHER_FILES: u64 = 1_024;

/// Lets the process open a file for each connection that it may have; warns when the system allows fewer.
fn allow_files(connections: u64) {
    let wanted = connections + OTHER_FILES;
    let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if now >= wanted {
        return;
    }
    let given = wanted.min(most);
    if setrlimit(Resource::RLIMIT_NOFILE, given, most).is_err() || given < wanted {
        output::warning(format!(
            "the process may open {} files: too few for {connections} connections; raise `ulimit -Hn` or lower \
             `--max-connections`",
            given.max(now)
        ));
    }
}

/// The signals that end a server.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the signals don't kill the process.
    pub(crate) fn catch() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one. Cancellation safe.
    pub(crate) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The table of what is being served.
pub(crate) fn print_releases(serving: &Serving, releases: &[(Arc<Release>, Duration)]) {
    let Some(endpoint) = serving.endpoints().first() else { return };
    let rows: Vec<_> = releases
        .iter()
        .map(|(release, load)| {
            let routes: Vec<_> =
                release.manifest().routes.iter().map(|route| shown(route, endpoint)).collect();
            [
                release.service().to_owned(),
                release.digest().short().to_owned(),
                output::size(release.size() as u64),
                output::time(*load),
                routes.join(" "),
            ]
        })
        .collect();
    output::result(output::table(Paint::stdout(), ["SERVICE", "RELEASE", "SIZE", "LOAD", "ROUTES"], &rows));
    for (release, _) in releases {
        for warning in release.warnings() {
            output::warning(format!("`{}`: {warning}", release.service()));
        }
    }
}

/// A route as one can type it; of a unix socket only the path, as it has no URL.
fn shown(route: &wharf_host::Route, endpoint: &Endpoint) -> String {
    let methods =
        if route.methods.is_empty() { String::new() } else { format!("{} ", route.methods.join("|")) };
    let base = match (&route.host, endpoint) {
        (Some(host), Endpoint::Http(address)) => format!("http://{host}:{}", address.port()),
        (Some(host), Endpoint::Https(address)) => format!("https://{host}:{}", address.port()),
        (None, Endpoint::Http(_) | Endpoint::Https(_)) => endpoint.to_string(),
        (host, _) => host.clone().unwrap_or_default(),
    };
    format!("{methods}{base}{}", route.path)
}
