//! Compiling in a process of its own: what a hostile component makes the compiler take of memory and time, and its crashes,
//! stay there. It has 1 GiB, a bounded time, and no environment. What it answers is believed.

use std::io::{self, Read, Write};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::engine::Kind;

use super::{CompileError, CompilerProgram, MEMORY, Order, workshop};

/// Bytes of machine code that are taken: Python's 22 MB become some 60.
const LARGEST: u64 = 512 << 20;
/// Threads of the compiler.
const THREADS: &str = "4";
/// `nice` of what nobody waits for.
const LEAST: i32 = 19;
/// Exit codes of the child beside 0.
const REFUSED: u8 = 10;
const INIT: u8 = 11;
const UNUSABLE: u8 = 12;

/// An order as it travels; the component follows on standard input.
#[derive(Serialize, Deserialize)]
struct Ordered {
    kind: Kind,
    background: bool,
    prepare: bool,
    memory: usize,
    patience: Duration,
}

/// Lets the program do it. Dropping the future ends the process.
pub(super) async fn make(program: &CompilerProgram, order: &Order) -> Result<Bytes, CompileError> {
    let ordered = Ordered {
        kind: order.kind,
        background: order.background,
        prepare: order.prepare,
        memory: order.memory,
        patience: order.patience,
    };
    let ordered =
        serde_json::to_string(&ordered).map_err(|error| CompileError::Compiler(error.to_string()))?;
    let unusable =
        |error: io::Error| CompileError::Compiler(format!("`{}`: {error}", program.path.display()));
    let mut child = Command::new(&program.path)
        .args(&program.arguments)
        .arg(ordered)
        .env_clear()
        .env("RAYON_NUM_THREADS", THREADS)
        .env("MALLOC_ARENA_MAX", "2")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(unusable)?;
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let given = async {
        // One that ended early has said why.
        if let Some(mut input) = input {
            let _gone = input.write_all(&order.component).await;
        }
    };
    let (mut code, mut said) = (Vec::new(), Vec::new());
    let taken = async {
        match output {
            Some(output) => output.take(LARGEST).read_to_end(&mut code).await,
            None => Ok(0),
        }
    };
    let heard = async {
        match errors {
            Some(errors) => errors.take(64 << 10).read_to_end(&mut said).await,
            None => Ok(0),
        }
    };
    let (ended, (), taken, heard) = tokio::join!(child.wait(), given, taken, heard);
    taken.and(heard).map_err(unusable)?;
    let status = ended.map_err(unusable)?;
    if status.success() { Ok(code.into()) } else { Err(failure(status, &String::from_utf8_lossy(&said))) }
}

fn failure(status: ExitStatus, said: &str) -> CompileError {
    let said = said.trim().to_owned();
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(REFUSED) => CompileError::Refused(said),
        Some(INIT) => CompileError::Init(said),
        Some(UNUSABLE) => CompileError::Compiler(said),
        _ if said.is_empty() => CompileError::Died { how: status.to_string() },
        _ => CompileError::Died { how: format!("{status} ({said})") },
    }
}

/// The other side of a [`CompilerProgram`]: takes the order that the host gives after the program's own arguments and
/// a component on standard input, and writes machine code to standard output. Lowers the limits of this process: to
/// be called first and as the only thing that it does.
#[must_use]
pub fn compile_child(order: &str) -> ExitCode {
    let (code, text) = match compiled(order) {
        Ok(code) => match io::stdout().lock().write_all(&code).and_then(|()| io::stdout().lock().flush()) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (UNUSABLE, error.to_string()),
        },
        Err(CompileError::Refused(text)) => (REFUSED, text),
        Err(CompileError::Init(text)) => (INIT, text),
        Err(error) => (UNUSABLE, error.to_string()),
    };
    let _nobody_listens = writeln!(io::stderr(), "{text}");
    ExitCode::from(code)
}

fn compiled(order: &str) -> Result<Bytes, CompileError> {
    let unusable = |error: &dyn std::error::Error| CompileError::Compiler(error.to_string());
    let ordered: Ordered = serde_json::from_str(order).map_err(|error| unusable(&error))?;
    limit(ordered.patience).map_err(|error| unusable(&error))?;
    if ordered.background {
        rustix::process::nice(LEAST).map_err(|error| unusable(&error))?;
    }
    let mut component = Vec::new();
    io::stdin().lock().read_to_end(&mut component).map_err(|error| unusable(&error))?;
    workshop::machine_code(&Order {
        component: component.into(),
        kind: ordered.kind,
        background: ordered.background,
        prepare: ordered.prepare,
        memory: ordered.memory,
        patience: ordered.patience,
    })
}

fn limit(patience: Duration) -> nix::Result<()> {
    // Of what is written to: address space that is only reserved, as for a guest's memory, costs nothing.
    setrlimit(Resource::RLIMIT_DATA, MEMORY, MEMORY)?;
    // The host ends it by the clock; this is for when the host is gone.
    let seconds = (patience.as_secs() + 1) * THREADS.parse().unwrap_or(1);
    setrlimit(Resource::RLIMIT_CPU, seconds, seconds)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    // Images of a guest's memory are files without a name.
    setrlimit(Resource::RLIMIT_FSIZE, MEMORY, MEMORY)
}
