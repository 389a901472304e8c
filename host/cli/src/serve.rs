//! `wharf serve`: load, listen, serve until told to stop, drain.

mod durable;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use wharf_control::{Project, ProjectError};
use wharf_host::Faults;
use wharf_host::kv::KvStorage;

use crate::data::Data;
use crate::databases;
use crate::hosting::{self, Hosting, Signals};
use crate::kv;
use crate::output;

/// Serve components until SIGTERM or Ctrl-C, then drain
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf serve hello guestbook --listen 0.0.0.0:8080 --database main=postgresql://app@db/app --kv /var/lib/wharf/kv
  wharf serve guestbook --database main=... --kv redis://cache --kv views=/var/lib/wharf/kv --kv-limit views:bytes=1GiB
  wharf serve billing --http-allow 10.1.0.0/16    what its `grants.http` names may be there
  wharf serve hello.wasm          serve one component on every path, with no grants
  wharf serve hello --listen https://0.0.0.0:443 --listen 0.0.0.0:80 --tls-cert a.pem --tls-key a.key
  wharf serve --data /var/lib/wharf --database main=...
                                  serve what was deployed there, and take deploys (see `wharf deploy --help`)
  wharf serve hello --listen unix:/run/wharf/http.sock --trust-proxy 127.0.0.1

HTTP/1.1 and HTTP/2 are served everywhere. The name that a client asks for chooses among several certificates, the first
is for everybody else; the files are read anew when they change. A trusted proxy names its client in Forwarded, or in
X-Forwarded-For and X-Forwarded-Proto; whoever connects to a unix socket counts as 127.0.0.1.

Services are folders with a wharf.toml and a component (see `wharf build`), or component files. With `--data` they are
deployed there when they differ from what is recorded; everything else that was deployed serves as well. Databases of
services that come later are those of `--database` and of WHARF_DATABASE_<NAME>.

Addresses of databases are URLs or keywords as in libpq, with most of its parameters: several hosts, hostaddr, port,
target_session_attrs (any, read-write, read-only), load_balance_hosts, options, application_name, keepalives; besides:
  sslmode=verify-full             or verify-ca, require, disable; without it verify-full beyond this machine
  sslrootcert=FILE                authorities to trust (PEM) instead of the system's; sslcert=, sslkey= for our own
  password_file=FILE              read anew for each connection; password_env=NAME reads the environment
  pool_connections=16             connections a service, split over the cores; pool_statements=256 prepared on each
  pool_acquire_timeout=1s         how long a request waits for one; connect_timeout=2s; pool_reset_timeout=5s")]
pub(crate) struct Arguments {
    /// Folders with a wharf.toml, or components
    #[arg(value_name = "DIR|FILE", required_unless_present = "data")]
    services: Vec<PathBuf>,
    /// Keep deployments in this folder, and take them from `wharf deploy`
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the control plane listens; port 0 takes a free one [default: 127.0.0.1:3001]
    #[arg(long, value_name = "ADDR", requires = "data")]
    control: Option<SocketAddr>,
    #[command(flatten)]
    hosting: Hosting,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { services, data, control, hosting } = arguments;
    if let Some(folder) = data {
        let control = control.unwrap_or(durable::ADDRESS);
        return durable::run(&services, &Data::at(&folder), control, &hosting).await;
    }
    crate::log(None, "info");
    let mut signals = Signals::catch()?;
    let sockets = hosting.edge.sockets()?;
    let mut artifacts = services
        .iter()
        .map(|path| Project::open(path)?.artifact())
        .collect::<Result<Vec<_>, ProjectError>>()?;
    // Guards first: who names one is loaded only when it is there.
    artifacts.sort_by_key(|artifact| !artifact.manifest.guard);
    let granted = artifacts.iter().flat_map(|artifact| &artifact.manifest.grants.pg);
    let databases = databases::all_given(granted, &hosting.databases)?;
    databases::reach(&databases).await?;
    let buckets = artifacts.iter().any(|artifact| !artifact.manifest.grants.kv.is_empty());
    let storage = if buckets { KvStorage::Folder(PathBuf::from(".wharf/kv")) } else { KvStorage::Memory };
    if buckets && hosting.buckets.default_place()?.is_none() {
        output::note("buckets are kept in .wharf/kv of this folder: `--kv` says where else");
    }
    let host = hosting.host(&databases, storage, Faults::Hidden, None)?;
    let mut releases = Vec::with_capacity(artifacts.len());
    for artifact in artifacts {
        let deployed = wharf_control::deploy(&host, artifact).await?;
        releases.push((deployed.release, deployed.took));
    }
    let _commands = kv::serve(&host);
    let serving = Hosting::listen(&host, sockets)?;
    hosting::print_releases(&serving, &releases);
    drop(releases);
    for endpoint in serving.endpoints() {
        output::result(format!("listening on {endpoint}"));
    }
    Hosting::ready();
    signals.stop().await;
    hosting.leave(&mut signals).await;
    hosting.shut_down(serving, &mut signals).await;
    Ok(())
}
