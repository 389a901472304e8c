//! The life of one instance: created, called and dropped by `host.handle`, without a socket.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::time::{ClockId, clock_gettime};
use wharf_control::Project;
use wharf_host::Host;

/// Requests in one sample.
const SAMPLE: u32 = 2_000;

/// Samples; the median counts.
const SAMPLES: usize = 11;

/// CPU time of this thread for one request to the service, in microseconds.
pub(crate) fn life(service: &Path) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let host = Host::builder().build()?;
        wharf_control::deploy(&host, Project::open(service)?.artifact()?).await?;
        let mut samples = Vec::with_capacity(SAMPLES);
        for _ in 0..=SAMPLES {
            let start = thread_time()?;
            for _ in 0..SAMPLE {
                let request =
                    http::Request::get("/typed/hello").header("host", "localhost").body(String::new())?;
                let status = host.handle(request).await.status();
                if status != http::StatusCode::OK {
                    bail!("the service answered {status}");
                }
            }
            samples.push((thread_time()? - start).as_secs_f64() * 1e6 / f64::from(SAMPLE));
        }
        // The first one warmed up.
        Ok(crate::report::median(samples.into_iter().skip(1)))
    })
}

pub(crate) fn thread_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
