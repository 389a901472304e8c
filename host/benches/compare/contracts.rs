//! Hello through each of the three contracts, with a fresh instance per request and with instances that are reused,
//! beside `wasmtime serve` on the same components where it is installed.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::load::Load;
use crate::report::median;
use crate::server::Server;
use crate::{CONNECTIONS, ROUNDS, TURN, program, service};

/// Key in the summary, and the service in `components/bench`.
const CONTRACTS: [(&str, &str); 3] =
    [("http_handler", "hello-typed"), ("wasi_http_02", "hello-wasi-02"), ("wasi_http_03", "hello-wasi-03")];

/// Requests of one reused instance: what `wasmtime serve` does with 0.3.
const REUSE: u32 = 128;

/// Rates of one contract over native axum's, the medians of the rounds.
#[derive(Debug)]
pub(crate) struct Contract {
    pub(crate) key: &'static str,
    pub(crate) fresh: f64,
    pub(crate) reused: f64,
    /// None where it is not installed, or does not run components of this contract.
    pub(crate) wasmtime: Option<f64>,
}

/// Loads native axum and all the others in turns.
pub(crate) fn compare(native: &Server) -> Result<Vec<Contract>> {
    CONTRACTS.iter().map(|(key, name)| contract(key, name, native)).collect()
}

fn contract(key: &'static str, name: &str, native: &Server) -> Result<Contract> {
    let folder = tempfile::tempdir()?;
    let component = service(name).join(format!(".wharf/build/{name}.wasm"));
    let fresh = manifest(&folder.path().join("fresh"), name, "/fresh", &component, "")?;
    let reuse = format!("reuse = {{ requests = {REUSE} }}\n");
    let reused =
        manifest(&folder.path().join("reused"), &format!("{name}-reused"), "/reused", &component, &reuse)?;
    let arguments =
        [OsStr::new("serve"), fresh.as_ref(), reused.as_ref(), "--listen".as_ref(), "127.0.0.1:0".as_ref()];
    let wharf = Server::start(&program("wharf")?, &arguments)?;
    let wasmtime = if key.starts_with("wasi") { start_wasmtime(&component)? } else { None };

    let mut urls = vec![
        format!("{}/typed/hello", native.url),
        format!("{}/fresh", wharf.url),
        format!("{}/reused", wharf.url),
    ];
    urls.extend(wasmtime.iter().map(|server| format!("{}/", server.url)));
    for url in &urls {
        Load::run(url, CONNECTIONS, Duration::from_secs(1))?;
    }
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let rates = urls.iter().map(|url| Ok(Load::run(url, CONNECTIONS, TURN)?.rate));
        rounds.push(rates.collect::<Result<Vec<f64>>>()?);
    }
    let ratio = |index: usize| {
        let of = |round: &Vec<f64>| Some(round.get(index)? / round.first()?);
        median(rounds.iter().filter_map(of))
    };
    Ok(Contract { key, fresh: ratio(1), reused: ratio(2), wasmtime: wasmtime.map(|_| ratio(3)) })
}

fn manifest(
    folder: &Path,
    name: &str,
    path: &str,
    component: &Path,
    more: &str,
) -> Result<std::path::PathBuf> {
    std::fs::create_dir_all(folder)?;
    let component =
        component.canonicalize().with_context(|| format!("`{}` is not built", component.display()))?;
    let text = format!(
        "name = \"{name}\"\ncomponent = \"{}\"\n{more}[[routes]]\npath = \"{path}\"\n\
         [limits]\nconcurrency = 1000\n",
        component.display()
    );
    std::fs::write(folder.join("wharf.toml"), text)?;
    Ok(folder.to_owned())
}

/// The same component under `wasmtime serve` 48, when there is one.
fn start_wasmtime(component: &Path) -> Result<Option<Server>> {
    let Ok(version) = Command::new("wasmtime").arg("--version").output() else { return Ok(None) };
    if !String::from_utf8_lossy(&version.stdout).starts_with("wasmtime 48.") {
        return Ok(None);
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = format!("127.0.0.1:{port}");
    let arguments = ["serve", "-Scli", "-Sp3", "-Wcomponent-model-async", "--addr", &address];
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).chain([component.as_ref()]).collect();
    Server::start_silent(Path::new("wasmtime"), &arguments, &address).map(Some)
}
