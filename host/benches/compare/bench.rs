//! `make bench`: native axum against `wharf serve`, in turns, and the life of one instance.
//!
//! Both servers run all the time on all cores, together with the load generator and PostgreSQL; they are
//! loaded in turns (A B A B), so that whatever else the machine does hits both. What counts is the median of
//! the rounds' ratios. Absolute figures say something about the machine only.

mod buckets;
mod contracts;
mod deploys;
mod instance;
mod load;
mod report;
mod routes;
mod server;
mod wraps;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use wharf_postgres::PrivatePostgres;

use load::Load;
use report::{Comparison, Report};
use server::Server;

/// What is compared: the key in the summary, and the path on both servers.
const ROUTES: [(&str, &str); 8] = [
    ("hello_typed", "/typed/hello"),
    ("hello_axum_guest", "/axum/hello"),
    ("hello_axum_prepared", "/prepared/hello"),
    ("pg_query", "/typed/pg"),
    ("pg_20_queries", "/typed/pg/queries"),
    ("pg_pipeline_of_20", "/typed/pg/pipeline"),
    ("pg_1000_rows", "/typed/pg/rows"),
    ("pg_update", "/typed/pg/update"),
];

/// Services that `wharf serve` runs.
const SERVICES: [&str; 4] = ["hello-typed", "hello-axum", "hello-prepared", "pg-typed"];

/// Turns of each server on each route.
const ROUNDS: usize = 5;

/// How long one turn takes.
const TURN: Duration = Duration::from_secs(3);

/// Connections of the load generator.
const CONNECTIONS: usize = 64;

fn main() -> Result<()> {
    let instance_us = instance::life(&service("hello-typed"))?;
    let routes = routes::costs(&service("hello-typed"))?;
    let wraps = wraps::costs(&repository())?;
    let kv = buckets::costs(&service("kv-typed"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let postgres = runtime.block_on(async {
        let postgres = PrivatePostgres::temporary().await?;
        postgres.create_database("main").await?;
        Ok::<_, wharf_postgres::Error>(postgres)
    })?;
    let url = postgres.connection_url("main");
    // Wharf first: its migration makes the table.
    let wharf = start_wharf(&url)?;
    let native = Server::start(&program("native-axum")?, &[url.as_ref()])?;
    let mut comparisons = Vec::new();
    for (key, path) in ROUTES {
        comparisons.push(compare(key, path, &native, &wharf)?);
    }
    drop(wharf);
    let contracts = contracts::compare(&native)?;
    drop(native);
    let deploys = deploys::costs(&program("wharf")?, &repository())?;
    let report = Report { comparisons, contracts, deploys, instance_us, routes, wraps, kv };
    report.print();
    report.write(&repository().join("target/bench/summary.json"))
}

fn start_wharf(url: &str) -> Result<Server> {
    let mut arguments = vec!["serve".into()];
    arguments.extend(SERVICES.map(|name| service(name).into_os_string()));
    arguments.extend(["--listen", "127.0.0.1:0", "--database"].map(Into::into));
    arguments.push(format!("main={url}").into());
    let arguments: Vec<_> = arguments.iter().map(std::ffi::OsString::as_os_str).collect();
    Server::start(&program("wharf")?, &arguments)
}

/// Loads both servers in turns.
fn compare(key: &'static str, path: &str, native: &Server, wharf: &Server) -> Result<Comparison> {
    let load = |server: &Server, time| Load::run(&format!("{}{path}", server.url), CONNECTIONS, time);
    load(native, Duration::from_secs(1))?;
    load(wharf, Duration::from_secs(1))?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        rounds.push((load(native, TURN)?, load(wharf, TURN)?));
    }
    Ok(Comparison { key, rounds })
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_path_buf()
}

fn service(name: &str) -> PathBuf {
    repository().join("components/bench").join(name)
}

/// A program that was built beside this one.
fn program(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(name);
    program.canonicalize().with_context(|| format!("`{}` is not built: run `make bench`", program.display()))
}
