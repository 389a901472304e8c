//! `wharf serve`: load, listen, serve until told to stop, drain.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use wharf_control::{Project, ProjectError};

use crate::databases;
use crate::hosting::{self, Hosting, Signals};
use crate::output;

/// Serve components until SIGTERM or Ctrl-C, then drain
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf serve hello guestbook --listen 0.0.0.0:8080 --database main=postgresql://app@db/app --kv-dir /var/lib/wharf
  wharf serve hello.wasm          serve one component on every path, with no grants

Services are folders with a wharf.toml and a component (see `wharf build`), or component files.

Addresses of databases are URLs or keywords as in libpq, with most of its parameters: several hosts, hostaddr, port,
target_session_attrs (any, read-write, read-only), load_balance_hosts, options, application_name, keepalives; besides:
  sslmode=verify-full             or verify-ca, require, disable; without it verify-full beyond this machine
  sslrootcert=FILE                authorities to trust (PEM) instead of the system's; sslcert=, sslkey= for our own
  password_file=FILE              read anew for each connection; password_env=NAME reads the environment
  pool_connections=16             connections a service, split over the cores; pool_statements=256 prepared on each
  pool_acquire_timeout=1s         how long a request waits for one; connect_timeout=2s; pool_reset_timeout=5s")]
pub(crate) struct Arguments {
    /// Folders with a wharf.toml, or components
    #[arg(value_name = "DIR|FILE", required = true)]
    services: Vec<PathBuf>,
    #[command(flatten)]
    hosting: Hosting,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { services, hosting } = arguments;
    let mut signals = Signals::catch()?;
    let artifacts = services
        .iter()
        .map(|path| Project::open(path)?.artifact())
        .collect::<Result<Vec<_>, ProjectError>>()?;
    let granted = artifacts.iter().flat_map(|artifact| &artifact.manifest.grants.pg);
    let databases = databases::all_given(granted, &hosting.databases)?;
    databases::reach(&databases).await?;
    if hosting.kv_dir.is_none() && hosting.kv.is_none() {
        let buckets = artifacts.iter().any(|artifact| !artifact.manifest.grants.kv.is_empty());
        if buckets {
            output::warning("buckets are in memory and gone at the end: pass --kv-dir DIR to keep them");
        }
    }
    let host = hosting.host(&databases, hosting.kv_dir.clone())?;
    let mut releases = Vec::with_capacity(artifacts.len());
    for artifact in artifacts {
        let deployed = wharf_control::deploy(&host, artifact).await?;
        releases.push((deployed.release, deployed.took));
    }
    let serving = hosting.listen(&host)?;
    hosting::print_releases(serving.local_addr(), &releases);
    drop(releases);
    output::result(format!("listening on http://{}", serving.local_addr()));
    signals.stop().await;
    hosting.shut_down(serving, &mut signals).await;
    Ok(())
}
