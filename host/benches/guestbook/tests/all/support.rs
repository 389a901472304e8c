//! What the tests share: one server for all of them, a database for each, and requests without a socket.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use native_guestbook::{Settings, app, connect, migrate};
use serde_json::Value;
use tokio::sync::OnceCell;
use tower::ServiceExt;
use wharf_postgres::PrivatePostgres;

/// The database that others are copies of.
const TEMPLATE: &str = "template_guestbook";

/// It ends with this process.
static POSTGRES: OnceCell<PrivatePostgres> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The guestbook on an empty database of its own.
pub(crate) struct App(Router);

impl App {
    pub(crate) async fn new() -> Self {
        let postgres = POSTGRES.get_or_init(start).await;
        let database = format!("guestbook_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        postgres.create_database_from_template(&database, TEMPLATE).await.unwrap();
        let pool = connect(&postgres.connection_url(&database)).unwrap();
        Self(app(pool, Settings::default()))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None, "").await
    }

    pub(crate) async fn post(&self, path: &str, json: &Value) -> Answer {
        self.send("POST", path, Some("application/json"), &json.to_string()).await
    }

    pub(crate) async fn submit(&self, form: &str) -> Answer {
        self.send("POST", "/guestbook", Some("application/x-www-form-urlencoded"), form).await
    }

    /// A JSON entry that is accepted.
    pub(crate) async fn sign(&self, author: &str, message: &str) {
        let draft = serde_json::json!({ "author": author, "message": message });
        let answer = self.post("/guestbook/api/entries", &draft).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }

    pub(crate) async fn send(&self, method: &str, path: &str, kind: Option<&str>, body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (head, body) = self.0.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }
}

/// Starts the server, and migrates what is copied.
async fn start() -> PrivatePostgres {
    let postgres = PrivatePostgres::temporary().await.unwrap();
    postgres.create_database(TEMPLATE).await.unwrap();
    let pool = connect(&postgres.connection_url(TEMPLATE)).unwrap();
    migrate(&pool).await.unwrap();
    pool.close();
    postgres
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Asserts that it is this problem, as JSON.
    pub(crate) fn is_problem(&self, status: StatusCode, problem: &Value) {
        assert_eq!((self.status, &self.json()), (status, problem));
        assert_eq!(self.header("content-type"), "application/json");
    }
}
