//! What an operation on a bucket adds to a request: requests of many operations less requests of one, in this
//! process and without a socket.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use wharf_control::Project;
use wharf_host::kv::{BucketConfig, KvStorage};
use wharf_host::{Config, Host};
use wharf_servers::{Kind, Server};

use crate::instance::thread_time;
use crate::report::median;

/// Operations of one request, so that the request itself hardly counts.
const MANY: u32 = 100;

/// Samples; the median counts.
const SAMPLES: usize = 21;

/// What one operation takes, in microseconds.
#[derive(Debug)]
pub(crate) struct Cost {
    /// E.g. `kv_get_memory`.
    pub(crate) key: String,
    /// Of the thread that serves: what it adds to a request.
    pub(crate) cpu: f64,
    /// Until the answer is there.
    pub(crate) wall: f64,
}

/// Every operation on every store.
pub(crate) fn costs(service: &Path) -> Result<Vec<Cost>> {
    let (folder, redis) = (tempfile::tempdir()?, Server::start(Kind::VolatileRedis)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut config = Config::default();
        for (name, storage) in [
            ("memory", KvStorage::Memory),
            ("embedded", KvStorage::Folder(folder.path().to_owned())),
            ("redis", KvStorage::Redis(redis.url())),
        ] {
            let mut bucket = BucketConfig::default();
            bucket.storage = Some(storage);
            config.buckets.insert(name.to_owned(), bucket);
        }
        let host = Host::builder().config(config).build()?;
        wharf_control::deploy(&host, Project::open(service)?.artifact()?).await?;
        let mut costs = Vec::new();
        for bucket in ["memory", "embedded", "redis"] {
            call(&host, "fill", bucket, 1).await?;
            for what in ["get", "put", "scan"] {
                costs.push(cost(&host, what, bucket).await?);
            }
        }
        Ok(costs)
    })
}

async fn cost(host: &Host, what: &str, bucket: &str) -> Result<Cost> {
    let (mut cpu, mut wall) = (Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES));
    for _ in 0..=SAMPLES {
        let (one, many) = (call(host, what, bucket, 1).await?, call(host, what, bucket, MANY + 1).await?);
        let each =
            |one: Duration, many: Duration| (many.as_secs_f64() - one.as_secs_f64()) * 1e6 / f64::from(MANY);
        cpu.push(each(one.0, many.0));
        wall.push(each(one.1, many.1));
    }
    // The first ones warmed up.
    let middle = |samples: Vec<f64>| median(samples.into_iter().skip(1));
    Ok(Cost { key: format!("kv_{what}_{bucket}"), cpu: middle(cpu), wall: middle(wall) })
}

/// CPU time of this thread, and the time on the wall, of one request.
async fn call(host: &Host, what: &str, bucket: &str, times: u32) -> Result<(Duration, Duration)> {
    let path = format!("/typed/kv/{what}/{bucket}/{times}");
    let request = http::Request::get(path).header("host", "localhost").body(String::new())?;
    let (cpu, wall) = (thread_time()?, Instant::now());
    let status = host.handle(request).await.status();
    let took = (thread_time()? - cpu, wall.elapsed());
    if status != http::StatusCode::OK {
        bail!("the service of buckets answered {status}");
    }
    Ok(took)
}
