//! The JSON API.

use crate::{
    entry::{self, Author, Draft, Entry},
    problem::Problem,
};
use serde::Deserialize;
use wharf_guest::{
    PgClient, Result,
    axum::{
        Json,
        extract::{
            Path, Query,
            rejection::{JsonRejection, PathRejection, QueryRejection},
        },
        http::{StatusCode, header::LOCATION},
        response::IntoResponse,
    },
};

/// Entries that one answer holds, at most.
const MOST: i64 = 100;

/// What `GET /entries` takes.
#[derive(Debug, Deserialize)]
pub(crate) struct Window {
    limit: Option<i64>,
}

/// `GET /guestbook/api/entries?limit=20`
pub(crate) async fn list(window: Result<Query<Window>, QueryRejection>) -> Result<Json<Vec<Entry>>, Problem> {
    let limit = window?.limit.unwrap_or(20);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::Invalid { field: "limit", message: format!("must be 1 to {MOST}") });
    }
    Ok(Json(entry::latest(&PgClient::open("main")?, limit)?))
}

/// `POST /guestbook/api/entries` with `{"author": ..., "message": ...}`
pub(crate) async fn create(draft: Result<Json<Draft>, JsonRejection>) -> Result<impl IntoResponse, Problem> {
    let Json(draft) = draft?;
    let entry = entry::add(&PgClient::open("main")?, &draft)?;
    let location = format!("/guestbook/api/entries/{}", entry.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(entry)))
}

/// `GET /guestbook/api/entries/{id}`
pub(crate) async fn read(id: Result<Path<i64>, PathRejection>) -> Result<Json<Entry>, Problem> {
    let Path(id) = id?;
    Ok(Json(entry::find(&PgClient::open("main")?, id)?))
}

/// `DELETE /guestbook/api/entries/{id}`
pub(crate) async fn delete(id: Result<Path<i64>, PathRejection>) -> Result<StatusCode, Problem> {
    let Path(id) = id?;
    entry::remove(&PgClient::open("main")?, id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /guestbook/api/authors/{name}`
pub(crate) async fn author(Path(name): Path<String>) -> Result<Json<Author>, Problem> {
    Ok(Json(entry::author(&PgClient::open("main")?, &name)?))
}
