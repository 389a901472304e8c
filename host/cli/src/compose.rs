//! `wharf compose`: middleware around a handler, as `middleware` in a manifest does it at every deploy.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use wharf_host::{compose, inspect};

use crate::output;

/// Put middleware around a handler: several components become one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf compose timing.wasm auth.wasm hello.wasm -o composed.wasm
                                 timing.wasm is called first, hello.wasm last

Each component imports the handler that the next one exports: `wharf:platform/http-handler`,
`wasi:http/handler` or `wasi:http/incoming-handler`. `middleware = [\"timing.wasm\"]` in a wharf.toml does the same
at every deploy. Components that were composed by other tools run as they are.")]
pub(crate) struct Arguments {
    /// Components, the outermost first, the handler last
    #[arg(value_name = "FILE", required = true, num_args = 2..)]
    components: Vec<PathBuf>,
    /// Where the composed component is written
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Composed {
    component: PathBuf,
    bytes: usize,
    world: Option<&'static str>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut parts = Vec::with_capacity(arguments.components.len());
    for path in &arguments.components {
        let bytes = std::fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
        inspect(&bytes).with_context(|| format!("`{}` cannot be composed", path.display()))?;
        parts.push((path.display().to_string(), bytes));
    }
    let named: Vec<(&str, &[u8])> =
        parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let bytes = compose(&named)?;
    let inspection = inspect(&bytes).context("the composed component cannot be read")?;
    if inspection.handler.is_none() {
        bail!("the composed component exports no handler, as the first one exports none");
    }
    std::fs::write(&arguments.output, &bytes)
        .with_context(|| format!("failed to write `{}`", arguments.output.display()))?;
    let composed =
        Composed { component: arguments.output.clone(), bytes: bytes.len(), world: inspection.world };
    if arguments.json {
        return output::json(&composed);
    }
    let size = output::size(u64::try_from(composed.bytes).unwrap_or(u64::MAX));
    output::result(format!(
        "{} ({size}, {})",
        composed.component.display(),
        composed.world.unwrap_or("no world")
    ));
    Ok(())
}
