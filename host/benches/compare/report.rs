//! The table for people and the summary for programs.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::buckets::Cost;
use crate::contracts::Contract;
use crate::deploys::{Deploys, Large};
use crate::load::Load;
use crate::routes::Routes;

/// Both servers on one route: pairs of native and Wharf.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) key: &'static str,
    pub(crate) rounds: Vec<(Load, Load)>,
}

impl Comparison {
    /// Wharf's rate over native axum's: the median of the rounds.
    fn ratio(&self) -> f64 {
        median(self.rounds.iter().map(|(native, wharf)| wharf.rate / native.rate))
    }

    fn native(&self, value: impl Fn(&Load) -> f64) -> f64 {
        median(self.rounds.iter().map(|(native, _)| value(native)))
    }

    fn wharf(&self, value: impl Fn(&Load) -> f64) -> f64 {
        median(self.rounds.iter().map(|(_, wharf)| value(wharf)))
    }
}

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) contracts: Vec<Contract>,
    pub(crate) deploys: Deploys,
    /// CPU time of one request in the process, in microseconds.
    pub(crate) instance_us: f64,
    /// What a request takes with small and large tables of routes.
    pub(crate) routes: Routes,
    /// CPU time of one request behind each guard, in microseconds.
    pub(crate) wraps: Vec<(&'static str, f64)>,
    pub(crate) kv: Vec<Cost>,
}

impl Report {
    #[expect(clippy::print_stdout, reason = "the table is the result")]
    pub(crate) fn print(&self) {
        println!(
            "{:18} {:>13} {:>12} {:>7}   {:>20} {:>20}",
            "", "native axum/s", "wharf/s", "ratio", "p50 native/wharf us", "p99 native/wharf us"
        );
        for row in &self.comparisons {
            let pair =
                |value: fn(&Load) -> f64| format!("{:.0} / {:.0}", row.native(value), row.wharf(value));
            println!(
                "{:18} {:>13.0} {:>12.0} {:>6.1}%   {:>20} {:>20}",
                row.key,
                row.native(|load| load.rate),
                row.wharf(|load| load.rate),
                row.ratio() * 100.0,
                pair(|load| load.p50),
                pair(|load| load.p99),
            );
        }
        println!("{:18} {:>13} {:>12} {:>15}", "hello, of native", "fresh", "reused", "wasmtime serve");
        let percent = |ratio: f64| format!("{:.1}%", ratio * 100.0);
        for row in &self.contracts {
            let wasmtime = row.wasmtime.map_or("not there".to_owned(), percent);
            println!(
                "{:18} {:>13} {:>12} {:>15}",
                row.key,
                percent(row.fresh),
                percent(row.reused),
                wasmtime
            );
        }
        println!("{:18} {:>13} {:>12}", "each adds", "us of CPU", "us of wall");
        for cost in &self.kv {
            println!("{:18} {:>13.2} {:>12.1}", cost.key, cost.cpu, cost.wall);
        }
        let Deploys { rust, quickjs, python, rollback, rollback_command, restart, unchanged } = &self.deploys;
        println!("deploy to first answer: Rust {rust:.1} ms, {unchanged} bytes sent when nothing changed");
        for (name, large) in [("QuickJS", quickjs), ("Python", python)] {
            if let Some(Large { answers, best }) = large {
                println!(
                    "deploy to first answer: {name} {answers:.0} ms; with the best code after {best:.0} ms"
                );
            }
        }
        println!("rollback: {rollback:.1} ms, with its command {rollback_command:.1} ms");
        println!("restart with 1,000 services: {restart:.0} ms until it listens");
        for (name, cost) in &self.wraps {
            println!("a request behind {name}: {cost:.1} us of CPU");
        }
        let Routes { of_10, of_10_000 } = self.routes;
        println!("a request with 10 routes and with 10,000: {of_10:.1} and {of_10_000:.1} us of CPU");
        println!("an instance's life (create, call, drop): {:.1} us of CPU", self.instance_us);
    }

    /// Writes the ratios, and the rates that they come from.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut summary = Map::new();
        let mut rates = Map::new();
        for row in &self.comparisons {
            let rate = |load: &Load| load.rate.round();
            summary.insert(row.key.to_owned(), rounded(row.ratio()).into());
            rates.insert(row.key.to_owned(), json!({ "native": row.native(rate), "wharf": row.wharf(rate) }));
        }
        for Contract { key, fresh, reused, wasmtime } in &self.contracts {
            let ratios = json!({
                "fresh": rounded(*fresh),
                "reused": rounded(*reused),
                "wasmtime_serve": wasmtime.map(rounded),
            });
            summary.insert(format!("hello_by_{key}"), ratios);
        }
        let Routes { of_10, of_10_000 } = self.routes;
        let routes = json!({ "10": rounded(of_10), "10000": rounded(of_10_000) });
        summary.insert("request_us_by_routes".to_owned(), routes);
        let Deploys { rust, quickjs, python, rollback, rollback_command, restart, unchanged } = &self.deploys;
        let deploys = json!({
            "rust_ms": rounded(*rust),
            "quickjs_ms": quickjs.map(|large| rounded(large.answers)),
            "quickjs_best_ms": quickjs.map(|large| rounded(large.best)),
            "python_ms": python.map(|large| rounded(large.answers)),
            "python_best_ms": python.map(|large| rounded(large.best)),
            "rollback_ms": rounded(*rollback),
            "rollback_command_ms": rounded(*rollback_command),
            "restart_1000_ms": rounded(*restart),
            "unchanged_bytes": unchanged,
        });
        summary.insert("deploy".to_owned(), deploys);
        let wraps: Map<_, _> =
            self.wraps.iter().map(|(name, cost)| ((*name).to_owned(), rounded(*cost).into())).collect();
        summary.insert("request_us_behind".to_owned(), wraps.into());
        summary.insert("instance_us".to_owned(), rounded(self.instance_us).into());
        for Cost { key, cpu, wall } in &self.kv {
            summary.insert(format!("{key}_us"), json!({ "cpu": rounded(*cpu), "wall": rounded(*wall) }));
        }
        summary.insert("requests_per_second".to_owned(), rates.into());
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(path, format!("{:#}\n", Value::from(summary))))
            .with_context(|| format!("failed to write `{}`", path.display()))
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// The middle of the values; zero when there are none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
