//! What looking a route up costs: a request to the last of ten routes, and of ten thousand.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use wharf_control::Project;
use wharf_host::{Host, Manifest};

use crate::instance::thread_time;
use crate::report::median;

/// Requests in one sample, and samples of each table, in turns.
const SAMPLE: u32 = 2_000;
const SAMPLES: usize = 15;

/// CPU microseconds of one request with a table of 10 routes and with one of 10,000.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Routes {
    pub(crate) of_10: f64,
    pub(crate) of_10_000: f64,
}

/// Measures with the smallest service, without a socket.
pub(crate) fn costs(service: &Path) -> Result<Routes> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (few, many) = (host(service, 10).await?, host(service, 10_000).await?);
        let (mut of_10, mut of_10_000) = (Vec::new(), Vec::new());
        for _ in 0..=SAMPLES {
            of_10.push(sample(&few, 9).await?);
            of_10_000.push(sample(&many, 9_999).await?);
        }
        // The first of each warmed up.
        Ok(Routes {
            of_10: median(of_10.into_iter().skip(1)),
            of_10_000: median(of_10_000.into_iter().skip(1)),
        })
    })
}

async fn host(service: &Path, routes: u32) -> Result<Host> {
    let mut artifact = Project::open(service)?.artifact()?;
    let mut text = "name = \"routes\"\n".to_owned();
    for route in 0..routes {
        let _ = write!(text, "[[routes]]\npath = \"/area-{}/item-{route}/{{id}}\"\n", route % 97);
    }
    artifact.manifest = Manifest::parse(&text)?;
    let host = Host::builder().build()?;
    wharf_control::deploy(&host, artifact).await?;
    Ok(host)
}

async fn sample(host: &Host, route: u32) -> Result<f64> {
    let path = format!("/area-{}/item-{route}/7", route % 97);
    let start = thread_time()?;
    for _ in 0..SAMPLE {
        let request = http::Request::get(&path).header("host", "localhost").body(String::new())?;
        anyhow::ensure!(
            host.handle(request).await.status() == http::StatusCode::OK,
            "`{path}` was not found"
        );
    }
    Ok((thread_time()? - start).as_secs_f64() * 1e6 / f64::from(SAMPLE))
}
