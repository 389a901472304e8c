//! The JSON API.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, header::LOCATION},
    response::IntoResponse,
};
use serde::Deserialize;

use crate::{
    Guestbook,
    entry::{self, Author, Draft, Entry},
    problem::Problem,
};

/// Entries that one answer holds, at most.
const MOST: i64 = 100;

/// What `GET /entries` takes.
#[derive(Debug, Deserialize)]
pub(crate) struct Window {
    limit: Option<i64>,
}

/// `GET /guestbook/api/entries?limit=20`
pub(crate) async fn list(
    State(book): State<Guestbook>,
    window: Result<Query<Window>, QueryRejection>,
) -> Result<Json<Vec<Entry>>, Problem> {
    let limit = window?.limit.unwrap_or(20);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::Invalid { field: "limit", message: format!("must be 1 to {MOST}") });
    }
    Ok(Json(entry::latest(&book.pool.get().await?, limit).await?))
}

/// `POST /guestbook/api/entries` with `{"author": ..., "message": ...}`
pub(crate) async fn create(
    State(book): State<Guestbook>,
    draft: Result<Json<Draft>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(draft) = draft?;
    let entry = entry::add(&book.pool, &draft).await?;
    let location = format!("/guestbook/api/entries/{}", entry.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(entry)))
}

/// `GET /guestbook/api/entries/{id}`
pub(crate) async fn read(
    State(book): State<Guestbook>,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Json<Entry>, Problem> {
    let Path(id) = id?;
    Ok(Json(entry::find(&book.pool.get().await?, id).await?))
}

/// `DELETE /guestbook/api/entries/{id}`
pub(crate) async fn delete(
    State(book): State<Guestbook>,
    id: Result<Path<i64>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id?;
    entry::remove(&book.pool, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /guestbook/api/authors/{name}`
pub(crate) async fn author(
    State(book): State<Guestbook>,
    Path(name): Path<String>,
) -> Result<Json<Author>, Problem> {
    Ok(Json(entry::author(&book.pool.get().await?, &name).await?))
}
