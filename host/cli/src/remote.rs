//! What the commands share that ask a running host: finding it, and saying how it went.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use wharf_control::api::Problem;
use wharf_control::client::{Client, ClientError};
use wharf_control::{Deployment, Portion};

use crate::data::{self, Data};
use crate::output::{self, Paint};

/// Which host to ask.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// Where the control plane is, as http://HOST:PORT [default: that of the data folder's host]
    #[arg(long, value_name = "URL", env = "WHARF_SERVER")]
    server: Option<String>,
    /// A file with the token [default: WHARF_TOKEN, or the first token in the data folder]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The data folder of a host on this machine
    #[arg(long, value_name = "DIR", env = "WHARF_DATA", default_value = data::DEFAULT)]
    data: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a change of a service is made.
#[derive(Debug, Args)]
pub(crate) struct Changing {
    /// What there is to say about it, for `wharf history`
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) message: String,
    /// The deployment that it must come after; 0 for none. Fails with 4 when another came first
    #[arg(long, value_name = "N")]
    pub(crate) parent: Option<u64>,
}

impl Remote {
    /// A client for the host that was meant.
    pub(crate) fn client(&self) -> Result<Client> {
        let data = Data::at(&self.data);
        let server = self.server.clone().or_else(|| data.server());
        let server = server.unwrap_or_else(|| "http://127.0.0.1:3001".to_owned());
        Ok(Client::new(&server, &self.token(&data)?)?)
    }

    fn token(&self, data: &Data) -> Result<String> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .with_context(|| format!("failed to read the token `{}`", path.display()))
        };
        if let Some(file) = &self.token_file {
            return read(file);
        }
        if let Some(token) = std::env::var("WHARF_TOKEN").ok().filter(|token| !token.is_empty()) {
            return Ok(token);
        }
        // The first token may do everything: it is shown to the host that runs in its folder, and to nobody else.
        if self.server.is_some() {
            bail!("no token for this server: set WHARF_TOKEN, or pass `--token-file FILE`");
        }
        if data.server().is_none() || !data.token().exists() {
            bail!(
                "no host runs in `{}`: start one with `wharf serve --data {0}`, or say which with `--data`, or with \
                 `--server` and WHARF_TOKEN",
                self.data.display()
            );
        }
        read(&data.token())
    }
}

/// It was deployed, did badly, and was rolled back.
#[derive(Debug)]
pub(crate) struct RolledBack(pub(crate) String);

impl std::fmt::Display for RolledBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rolled back: {}", self.0)
    }
}

impl std::error::Error for RolledBack {}

/// What the causes of a refusal are, as `caused by` lines.
#[derive(Debug)]
struct Causes(Vec<String>);

impl std::fmt::Display for Causes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("\n  caused by: "))
    }
}

impl std::error::Error for Causes {}

/// An error that says what the host said, with its causes.
pub(crate) fn told(error: ClientError) -> anyhow::Error {
    match &error {
        ClientError::Refused(problem) if !problem.causes.is_empty() => {
            let causes = Causes(problem.causes.clone());
            anyhow::Error::new(causes).context(error)
        }
        _ => error.into(),
    }
}

/// What the process ends with.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.downcast_ref::<RolledBack>().is_some() {
        return ExitCode::from(6);
    }
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Refused(problem)) if is_conflict(problem) => ExitCode::from(4),
        Some(ClientError::Refused(_)) => ExitCode::from(3),
        Some(ClientError::Unreachable { .. } | ClientError::Stranger { .. }) => ExitCode::from(5),
        _ => ExitCode::FAILURE,
    }
}

fn is_conflict(problem: &Problem) -> bool {
    problem.code == "conflict"
}

/// Says what came of a change.
pub(crate) fn print_made(remote: &Remote, deployment: &Deployment) -> Result<()> {
    if remote.json {
        return output::json(deployment);
    }
    let paint = Paint::stdout();
    output::result(format!(
        "{} deployment {}: {}",
        paint.good(&deployment.service),
        deployment.number,
        shares(&deployment.shares)
    ));
    Ok(())
}

/// `7 90 %, 8 10 %`, or what an empty list means.
pub(crate) fn shares(shares: &[Portion]) -> String {
    let total: u32 = shares.iter().map(|share| share.weight).sum();
    let percent = |share: &Portion| f64::from(share.weight) * 100.0 / f64::from(total.max(1));
    match shares {
        [] => "answers no requests".to_owned(),
        [one] => format!("{} answers", one.deployment),
        several => {
            let words = several.iter().map(|share| format!("{} {:.0} %", share.deployment, percent(share)));
            words.collect::<Vec<_>>().join(", ")
        }
    }
}
