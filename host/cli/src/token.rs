//! `wharf token`: who may do what on a host, and who did what.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use wharf_control::api::{CreatedToken, NewToken};
use wharf_control::client::Method;
use wharf_control::{AuditEntry, TokenRecord};

use crate::kv::span;
use crate::output::{self, Paint};
use crate::remote::{Remote, told};

/// Give, list and revoke tokens, and read the audit log
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf token create ci --role deploy:guestbook --role deploy:hello --expires 720h
  wharf token list
  wharf token revoke ci
  wharf token audit

Roles: `read` for what there is, `deploy:SERVICE` or `deploy:*` to change services, `admin` for everything. Every token may
read. A token is shown once, when it is made; the host keeps only its hash.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a token and print it
    Create {
        /// What the audit log calls its holder
        name: String,
        /// What it may do: read, deploy:SERVICE, deploy:*, admin; again for more
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<String>,
        /// When it ends, from now on [default: never]
        #[arg(long, value_name = "SPAN", value_parser = span)]
        expires: Option<Duration>,
        #[command(flatten)]
        remote: Remote,
    },
    /// List the tokens
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Make a token worthless
    Revoke {
        name: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Print who did what, the last first
    Audit {
        #[command(flatten)]
        remote: Remote,
    },
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    match arguments.verb {
        Verb::Create { name, roles, expires, remote } => create(name, roles, expires, &remote).await,
        Verb::List { remote } => list(&remote).await,
        Verb::Revoke { name, remote } => {
            let nothing = serde_json::json!({});
            let path = format!("/v1/tokens/{name}");
            remote.client()?.command::<_, ()>(Method::DELETE, &path, &nothing, None).await.map_err(told)
        }
        Verb::Audit { remote } => audit(&remote).await,
    }
}

async fn create(name: String, roles: Vec<String>, expires: Option<Duration>, remote: &Remote) -> Result<()> {
    let new = NewToken { name, roles, expires_in: expires.map(|span| span.as_secs().max(1)) };
    let made: CreatedToken =
        remote.client()?.command(Method::POST, "/v1/tokens", &new, None).await.map_err(told)?;
    if remote.json {
        return output::json(&made);
    }
    output::result(made.token);
    output::note("it is not shown again");
    Ok(())
}

async fn list(remote: &Remote) -> Result<()> {
    let tokens: Vec<TokenRecord> = remote.client()?.get("/v1/tokens").await.map_err(told)?;
    if remote.json {
        return output::json(&tokens);
    }
    let rows: Vec<_> = tokens
        .iter()
        .map(|token| {
            let expires = token.expires.map_or_else(|| "never".to_owned(), output::date);
            [token.name.clone(), token.roles.join(" "), output::ago(token.created), expires]
        })
        .collect();
    output::result(output::table(Paint::stdout(), ["NAME", "ROLES", "MADE", "EXPIRES"], &rows));
    Ok(())
}

async fn audit(remote: &Remote) -> Result<()> {
    let entries: Vec<AuditEntry> = remote.client()?.get("/v1/audit").await.map_err(told)?;
    if remote.json {
        return output::json(&entries);
    }
    let rows: Vec<_> = entries
        .into_iter()
        .map(|entry| [output::date(entry.at), entry.who, entry.action, entry.target, entry.outcome])
        .collect();
    output::result(output::table(Paint::stdout(), ["WHEN", "WHO", "ACTION", "TARGET", "OUTCOME"], &rows));
    Ok(())
}
