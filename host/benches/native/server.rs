//! The yardstick: axum and deadpool-postgres as one would write them without Wharf. Same routes, same SQL.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_postgres::{NoTls, Row};

/// As many connections as a Wharf service has.
const CONNECTIONS: usize = 16;

/// Rows in the table `world`.
const ROWS: i32 = 10_000;
/// Queries of a request that makes several.
const QUERIES: usize = 20;

const ONE: &str = "SELECT id, randomnumber FROM world WHERE id = $1";
const MANY: &str = "SELECT id, randomnumber FROM world WHERE id <= 1000";
const UPDATE: &str = "UPDATE world SET randomnumber = $1 WHERE id = $2";

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
        .route("/typed/pg", get(one))
        .route("/typed/pg/queries", get(several))
        .route("/typed/pg/pipeline", get(pipeline))
        .route("/typed/pg/rows", get(many))
        .route("/typed/pg/update", get(update))
        .route("/axum/hello", get(async || "Hello, World!"))
        .route("/prepared/hello", get(async || "Hello, World!"))
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

/// Whatever went wrong: the load generator counts it.
struct Failed(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

fn id() -> i32 {
    fastrand::i32(1..=ROWS)
}

fn world(row: &Row) -> World {
    World { id: row.get(0), random_number: row.get(1) }
}

async fn one(State(pool): State<Pool>) -> Result<Json<World>, Failed> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(ONE).await?;
    Ok(Json(world(&client.query_one(&statement, &[&id()]).await?)))
}

/// Takes a connection for each query, as code does whose parts do not know of each other.
async fn several(State(pool): State<Pool>) -> Result<Json<Vec<World>>, Failed> {
    let mut worlds = Vec::with_capacity(QUERIES);
    for _ in 0..QUERIES {
        let client = pool.get().await?;
        let statement = client.prepare_cached(ONE).await?;
        worlds.push(world(&client.query_one(&statement, &[&id()]).await?));
    }
    Ok(Json(worlds))
}

/// One round trip; without the transaction that Wharf puts around it.
async fn pipeline(State(pool): State<Pool>) -> Result<Json<Vec<World>>, Failed> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(ONE).await?;
    let ids: Vec<i32> = (0..QUERIES).map(|_| id()).collect();
    let queries = ids.iter().map(async |id| client.query_one(&statement, &[id]).await);
    let rows = futures_util::future::try_join_all(queries).await?;
    Ok(Json(rows.iter().map(world).collect()))
}

async fn many(State(pool): State<Pool>) -> Result<Json<Vec<World>>, Failed> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(MANY).await?;
    let rows = client.query(&statement, &[]).await?;
    Ok(Json(rows.iter().map(world).collect()))
}

async fn update(State(pool): State<Pool>) -> Result<Json<World>, Failed> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    let statement = transaction.prepare_cached(ONE).await?;
    let mut world = world(&transaction.query_one(&statement, &[&id()]).await?);
    world.random_number = id();
    let statement = transaction.prepare_cached(UPDATE).await?;
    transaction.execute(&statement, &[&world.random_number, &world.id]).await?;
    transaction.commit().await?;
    Ok(Json(world))
}
