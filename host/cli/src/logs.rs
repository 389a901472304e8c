//! `wharf logs`: what a service said.

use anyhow::Result;
use clap::Args;
use wharf_control::LogLine;

use crate::output::{self, Paint};
use crate::remote::{Remote, told};

/// Read what a service logged last, and what the host said about its failures
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    service: String,
    /// Stay, and print what comes
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines; the host keeps 1000
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    tail: usize,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { service, follow, tail, remote } = arguments;
    let path = format!("/v1/services/{service}/logs?follow={follow}&tail={tail}");
    let mut lines = remote.client()?.follow(&path).await.map_err(told)?;
    while let Some(text) = lines.next().await.map_err(told)? {
        match serde_json::from_str::<LogLine>(&text) {
            Ok(line) if !remote.json => print(&line),
            _ => output::result(text),
        }
    }
    Ok(())
}

fn print(line: &LogLine) {
    let paint = Paint::stdout();
    let level = match line.level.as_str() {
        "ERROR" => paint.bad(format!("{:<5}", line.level)),
        "WARN" => paint.warn(format!("{:<5}", line.level)),
        level => format!("{level:<5}"),
    };
    let (clock, request) = (output::clock(line.at), paint.faint(&line.request));
    output::result(format!("{clock} {level} {} {request}", line.message).trim_end());
}
