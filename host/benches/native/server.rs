//! The yardstick: axum and deadpool-postgres as one would write them without Wharf. Same routes, same SQL.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_postgres::NoTls;

/// As many connections as a Wharf service has.
const CONNECTIONS: usize = 16;

/// Rows in the table `world`.
const ROWS: i32 = 10_000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct World {
    id: i32,
    random_number: i32,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "tells the runner its address")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).context("usage: native-axum DATABASE_URL")?;
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(url.parse()?, NoTls, config);
    let pool = Pool::builder(manager).max_size(CONNECTIONS).runtime(Runtime::Tokio1).build()?;
    let app = Router::new()
        .route("/typed/hello", get(async || "Hello, World!"))
        .route("/typed/pg", get(world))
        .route("/axum/hello", get(async || "Hello, World!"))
        .route("/axum/users/{id}", get(async |Path(id): Path<u32>| id.to_string()))
        .route("/axum/users/{id}/posts/{post}", get(async |Path(ids): Path<(u32, u32)>| Json([ids.0, ids.1])))
        .route(
            "/axum/search",
            get(async |Query(pairs): Query<Vec<(String, String)>>| pairs.len().to_string()),
        )
        .route("/axum/echo", post(async |Json(numbers): Json<Vec<u32>>| Json(numbers)))
        .with_state(pool);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
}

async fn world(State(pool): State<Pool>) -> Result<Json<World>, StatusCode> {
    let id = fastrand::i32(1..=ROWS);
    query(&pool, id).await.map(Json).map_err(|error| {
        drop(error);
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

async fn query(pool: &Pool, id: i32) -> Result<World> {
    let client = pool.get().await?;
    let statement = client.prepare_cached("SELECT id, randomnumber FROM world WHERE id = $1").await?;
    let row = client.query_one(&statement, &[&id]).await?;
    Ok(World { id: row.get(0), random_number: row.get(1) })
}
