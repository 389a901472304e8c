//! `wharf serve --data`: what was deployed serves again, and more may come.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use wharf_control::{Control, Logs, Project, Restored, api};
use wharf_host::Faults;
use wharf_host::kv::KvStorage;

use crate::data::Data;
use crate::databases;
use crate::hosting::{Hosting, Signals};
use crate::kv;
use crate::output::{self, Paint};

/// Where the control plane listens unless the command line says otherwise.
pub(super) const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 3001);

pub(super) async fn run(
    services: &[PathBuf],
    data: &Data,
    control_address: SocketAddr,
    hosting: &Hosting,
) -> Result<()> {
    let (logs, tap, fill) = Logs::new();
    crate::log(Some(tap), "info");
    tokio::spawn(fill);
    let mut signals = Signals::catch()?;
    let sockets = hosting.edge.sockets()?;
    data.create()?;
    let databases = databases::all_known(&hosting.databases);
    if let Err(error) = databases::reach(&databases).await {
        // Other services need not wait for it, and those that need it are tried again.
        output::warning(format!("{error:#}"));
    }
    let host = hosting.host(&databases, KvStorage::Folder(data.kv()), Faults::Hidden, Some(data.cache()))?;
    let control = data.open(host.clone())?;
    control.first_token(&data.token()).await?;
    let up = async {
        report(&control.restore().await?);
        adopt(&control, services).await
    };
    tokio::select! {
        up = up => up?,
        () = signals.stop() => return Ok(()),
    }
    let _commands = kv::serve(&host);
    let api = api::serve(control, logs, control_address).await;
    let api = api.with_context(|| format!("failed to listen on {control_address} for deploys"))?;
    if !api.address().ip().is_loopback() {
        output::warning(
            "the control plane is open to other machines, and tokens are sent to it in the clear",
        );
    }
    let serving = Hosting::listen(&host, sockets)?;
    data.announce(api.address())?;
    output::result(format!("taking deploys on http://{}", api.address()));
    for endpoint in serving.endpoints() {
        output::result(format!("listening on {endpoint}"));
    }
    Hosting::ready();
    signals.stop().await;
    api.unready();
    hosting.leave(&mut signals).await;
    data.withdraw();
    let grace = Duration::from_secs(hosting.grace);
    tokio::join!(api.shutdown(grace), hosting.shut_down(serving, &mut signals));
    Ok(())
}

fn report(restored: &Restored) {
    for (service, error) in &restored.failed {
        let error = wharf_host::chain(error);
        output::warning(format!("`{service}` does not answer, and is tried again: {error}"));
    }
    let took = Paint::stderr().faint(format!("in {}", output::time(restored.took)));
    let services = if restored.services == 1 {
        "1 service serves"
    } else {
        &format!("{} services serve", restored.services)
    };
    output::note(format!("{services} as deployed {took}"));
}

/// Deploys what the command line names, where it differs from what is recorded.
async fn adopt(control: &Control, services: &[PathBuf]) -> Result<()> {
    let projects = services.iter().map(|path| Project::open(path)).collect::<Result<Vec<_>, _>>();
    let mut projects = projects?;
    // Guards first: who names one is loaded only when it is there.
    projects.sort_by_key(|project| !project.manifest().guard);
    for project in projects {
        let name = project.manifest().name.clone();
        match control.adopt(&name, project.blobs()?, "wharf serve").await {
            Ok(Some(deployment)) => output::result(format!("{name} deployment {}", deployment.number)),
            Ok(None) => {}
            // The others need not wait for it; what was recorded of it is tried again.
            Err(error) => output::warning(wharf_host::chain(&error)),
        }
    }
    Ok(())
}
