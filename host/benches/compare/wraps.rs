//! What stands before and around a handler: each guard that the host brings, a guard that is a component, a middleware.

use std::path::Path;

use anyhow::{Context, Result};
use wharf_control::Project;
use wharf_host::{Artifact, Host, Manifest};

use crate::instance::thread_time;
use crate::report::median;

/// Requests in one sample, and samples of each, in turns.
const SAMPLE: u32 = 2_000;
const SAMPLES: usize = 11;

/// The names in the summary, and the paths below.
const WRAPS: [&str; 7] = ["nothing", "api-key", "jwt", "rate", "body", "component", "middleware"];

/// The key of `api-key` is `contract-key`; those of `jwt` are the contract guest's.
const MANIFEST: &str = r#"
name = "wrapped"
routes = [
  { path = "/nothing" }, { path = "/api-key", guards = ["key"] }, { path = "/jwt", guards = ["token"] },
  { path = "/rate", guards = ["calm"] }, { path = "/body", guards = ["small"] }, { path = "/component", guards = ["component"] },
]
[guards.key.api-key]
keys = { bench = "sha256:a68e57a052aa22758f75bd93aa57dbaea91ac1f01c932e25ac7c6e9d1dd5c46f" }
[guards.token.jwt]
jwks = "keys.json"
issuer = "https://issuer.example"
audience = "contract"
[guards.calm.rate]
requests = 1000000
per = "1s"
[guards]
small.body = "64KiB"
component.service = "bench-guard"
"#;

/// CPU microseconds of one request to a hello behind each of `WRAPS`.
pub(crate) fn costs(repository: &Path) -> Result<Vec<(&'static str, f64)>> {
    let components = repository.join("components");
    let cases = std::fs::read_to_string(repository.join("conformance/cases/guarded.toml"))?;
    let token = cases.split("Bearer ").nth(1).and_then(|rest| rest.split('"').next());
    let token = format!("Bearer {}", token.context("conformance/cases/guarded.toml has no token")?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let host = host(&components).await?;
        let mut samples = WRAPS.map(|_| Vec::with_capacity(SAMPLES));
        for _ in 0..=SAMPLES {
            for (name, samples) in WRAPS.iter().zip(&mut samples) {
                samples.push(sample(&host, name, &token).await?);
            }
        }
        // The first of each warmed up.
        Ok(WRAPS.into_iter().zip(samples.map(|samples| median(samples.into_iter().skip(1)))).collect())
    })
}

async fn host(components: &Path) -> Result<Host> {
    let host = Host::builder().build()?;
    wharf_control::deploy(&host, Project::open(&components.join("bench/guard"))?.artifact()?).await?;
    let hello = Project::open(&components.join("bench/hello-typed"))?.artifact()?;
    let keys = std::fs::read(components.join("contract/guarded/rust/keys.json"))?;
    let wrapped = Artifact { manifest: Manifest::parse(MANIFEST)?, ..hello.clone() };
    let files = [("keys.json".to_owned(), keys.into())].into();
    wharf_control::deploy(&host, Artifact { files, ..wrapped }).await?;

    let file = "middleware.wasm".to_owned();
    let bytes = std::fs::read(components.join("bench/middleware/.wharf/build/middleware.wasm"))?;
    let text = "name = \"around\"\nroutes = [{ path = \"/middleware\" }]\nmiddleware = [\"middleware.wasm\"]";
    let around = Artifact { manifest: Manifest::parse(text)?, ..hello };
    wharf_control::deploy(&host, Artifact { files: [(file, bytes.into())].into(), ..around }).await?;
    Ok(host)
}

async fn sample(host: &Host, name: &str, token: &str) -> Result<f64> {
    let start = thread_time()?;
    for _ in 0..SAMPLE {
        let request = http::Request::get(format!("/{name}"))
            .header("host", "localhost")
            .header("x-api-key", "contract-key")
            .header("authorization", token);
        let response = host.handle(request.body(String::new())?).await;
        anyhow::ensure!(response.status() == http::StatusCode::OK, "`/{name}` is {}", response.status());
    }
    Ok((thread_time()? - start).as_secs_f64() * 1e6 / f64::from(SAMPLE))
}
