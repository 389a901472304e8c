//! Starts a private server in the folder given, prints its URL, and holds it until standard input closes.

use anyhow::Context;
use wharf_postgres::PrivatePostgres;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to its user")]
async fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: hold FOLDER")?;
    let postgres = PrivatePostgres::start(folder.as_ref()).await?;
    println!("{}", postgres.connection_url("postgres"));
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    postgres.stop().await?;
    Ok(())
}
