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
mod vendor;
mod new;
mod check;
mod compose;
mod data;
mod remote;
mod serve;
mod deploy;
mod status;
mod history;
mod diff;
mod rollback;
mod split;
mod promote;
mod preview;
mod remove;
mod logs;
mod token;
mod kv;
mod conformance;
mod test;
mod dev;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};
use wharf_control::LogTap;

/// Begin, build, test, serve and deploy WebAssembly services.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Wharf {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(new::Arguments),
    Vendor(vendor::Arguments),
    Build(build::Arguments),
    Check(check::Arguments),
    Compose(compose::Arguments),
    Dev(dev::Arguments),
    Test(test::Arguments),
    Serve(serve::Arguments),
    Deploy(deploy::Arguments),
    Status(status::Arguments),
    History(history::Arguments),
    Diff(diff::Arguments),
    Rollback(rollback::Arguments),
    Split(split::Arguments),
    Promote(promote::Arguments),
    Preview(preview::Arguments),
    Remove(remove::Arguments),
    Logs(logs::Arguments),
    Token(token::Arguments),
    Kv(kv::Arguments),
    Conformance(conformance::Arguments),
    /// What the host starts to compile a component, in a process of its own
    #[command(hide = true)]
    CompileComponent {
        /// As the host gives it; the component comes on standard input
        order: String,
    },
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong command line.
Of what asks a running host also: 3 the host refused, 4 another deployment came first, 5 no host was reached,
6 deployed, but it failed too often and was rolled back.
Environment: NO_COLOR switches colours off; WHARF_LOG filters log lines (default `info`); WHARF_SERVER, WHARF_TOKEN and
WHARF_DATA say which host to ask (`wharf deploy --help`).";

fn main() -> ExitCode {
    let wharf = Wharf::parse();
    if let Verb::CompileComponent { order } = &wharf.verb {
        return wharf_host::compile_child(order);
    }
    match run(wharf.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            remote::exit_code(&error)
        }
    }
}

/// Log lines to standard error, and those about services also to whoever keeps them. `usual` is what is logged unless
/// `WHARF_LOG` says otherwise.
fn log(tap: Option<LogTap>, usual: &str) {
    let filter = EnvFilter::try_from_env("WHARF_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(output::Paint::stderr().is_on())
        .with_filter(filter);
    let kept = Targets::new()
        .with_target("guest", tracing::Level::INFO)
        .with_target("wharf_host", tracing::Level::WARN);
    tracing_subscriber::registry().with(lines).with(tap.map(|tap| tap.with_filter(kept))).init();
}

fn run(verb: Verb) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        if let Verb::Serve(arguments) = verb {
            return Box::pin(serve::run(arguments)).await;
        }
        // Cases make guests log and fail as they please.
        log(None, if matches!(verb, Verb::Conformance(_) | Verb::Test(_)) { "off" } else { "info" });
        match verb {
            Verb::New(arguments) => new::run(arguments),
            Verb::Vendor(arguments) => vendor::run(&arguments),
            Verb::Build(arguments) => build::run(arguments).await,
            Verb::Check(arguments) => check::run(&arguments).await,
            Verb::Compose(arguments) => compose::run(&arguments),
            Verb::Dev(arguments) => Box::pin(dev::run(arguments)).await,
            Verb::Test(arguments) => Box::pin(test::run(arguments)).await,
            Verb::Kv(arguments) => kv::run(arguments).await,
            Verb::Conformance(arguments) => Box::pin(conformance::run(arguments)).await,
            // Ran before anything was started.
            Verb::CompileComponent { .. } => Ok(()),
            verb => Box::pin(ask(verb)).await,
        }
    })
}

/// What a running host is asked to do.
async fn ask(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Deploy(arguments) => deploy::run(arguments).await,
        Verb::Status(arguments) => status::run(&arguments).await,
        Verb::History(arguments) => history::run(&arguments).await,
        Verb::Diff(arguments) => diff::run(&arguments).await,
        Verb::Rollback(arguments) => rollback::run(arguments).await,
        Verb::Split(arguments) => split::run(arguments).await,
        Verb::Promote(arguments) => promote::run(arguments).await,
        Verb::Preview(arguments) => preview::run(&arguments).await,
        Verb::Remove(arguments) => remove::run(arguments).await,
        Verb::Logs(arguments) => logs::run(&arguments).await,
        Verb::Token(arguments) => token::run(arguments).await,
        _ => Ok(()),
    }
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
