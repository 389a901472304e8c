//! The `wharf` command: one verb per file, and the only place that prints.

mod output;
mod toolchain;
mod service;
mod databases;
mod buckets;
mod edge;
mod outbound;
mod hosting;
mod build;
mod check;
mod compose;
mod serve;
mod kv;
mod dev;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Build, check, compose, develop and serve WebAssembly services.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Wharf {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Build(build::Arguments),
    Check(check::Arguments),
    Compose(compose::Arguments),
    Dev(dev::Arguments),
    Serve(serve::Arguments),
    Kv(kv::Arguments),
    /// What the host starts to compile a component, in a process of its own
    #[command(hide = true)]
    CompileComponent {
        /// As the host gives it; the component comes on standard input
        order: String,
    },
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong command line.
Environment: NO_COLOR switches colours off; WHARF_LOG filters log lines (default `info`).";

fn main() -> ExitCode {
    let wharf = Wharf::parse();
    if let Verb::CompileComponent { order } = &wharf.verb {
        return wharf_host::compile_child(order);
    }
    let log = EnvFilter::try_from_env("WHARF_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(log)
        .with_writer(std::io::stderr)
        .with_ansi(output::Paint::stderr().is_on())
        .init();
    match run(wharf.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match verb {
            Verb::Build(arguments) => build::run(arguments).await,
            Verb::Check(arguments) => check::run(&arguments).await,
            Verb::Compose(arguments) => compose::run(&arguments),
            Verb::Dev(arguments) => dev::run(arguments).await,
            Verb::Serve(arguments) => serve::run(arguments).await,
            Verb::Kv(arguments) => kv::run(arguments).await,
            // Ran before anything was started.
            Verb::CompileComponent { .. } => Ok(()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Wharf::command().debug_assert();
    }
}
