//! Serves the guestbook: `DATABASE_URL` says where its data is, `LISTEN`, `TITLE` and `PAGE_SIZE` may be set.

use std::env;

use anyhow::{Context, Result};
use native_guestbook::{Settings, app, connect, migrate};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let pool = connect(&env::var("DATABASE_URL").context("DATABASE_URL is not set")?)?;
    migrate(&pool).await.context("failed to migrate the database")?;
    let listener = TcpListener::bind(env::var("LISTEN").as_deref().unwrap_or("127.0.0.1:3000")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(pool, settings()?)).with_graceful_shutdown(stop()).await?;
    Ok(())
}

fn settings() -> Result<Settings> {
    let mut settings = Settings::default();
    if let Ok(title) = env::var("TITLE") {
        settings.title = title;
    }
    if let Ok(size) = env::var("PAGE_SIZE") {
        settings.page_size = size.parse().context("PAGE_SIZE is no number")?;
    }
    Ok(settings)
}

/// Until somebody wants it to end.
async fn stop() {
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime has signals");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
