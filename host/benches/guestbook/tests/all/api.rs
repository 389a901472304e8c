//! The JSON API.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::App;

const ENTRIES: &str = "/guestbook/api/entries";

#[tokio::test]
async fn an_entry_is_told_where_it_is_found_there_and_listed() {
    let app = App::new().await;
    let created = app.post(ENTRIES, &json!({ "author": "Ada", "message": "First light!" })).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.header("location"), "/guestbook/api/entries/1");
    let entry = created.json();
    let signed = &entry["created_at"];
    assert!(signed.is_string(), "{entry}");
    assert_eq!(entry, json!({ "id": 1, "author": "Ada", "message": "First light!", "created_at": signed }));
    assert_eq!(app.get("/guestbook/api/entries/1").await.json(), entry);
    assert_eq!(app.get(ENTRIES).await.json(), json!([entry]));
}

#[tokio::test]
async fn white_space_around_a_draft_is_dropped_and_characters_are_counted() {
    let app = App::new().await;
    let created = app.post(ENTRIES, &json!({ "author": " Ada ", "message": "\nhello\n" })).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!((&created.json()["author"], &created.json()["message"]), (&json!("Ada"), &json!("hello")));
    app.sign(&"é".repeat(60), "hello").await;
}

#[tokio::test]
async fn a_draft_against_the_rules_names_its_field_and_nothing_is_written() {
    let app = App::new().await;
    let too_long = "é".repeat(61);
    let refusals = [
        (json!({ "author": "", "message": "Who am I?" }), "author", "must not be empty"),
        (json!({ "author": "Ada" }), "message", "must not be empty"),
        (json!({ "author": "Ada", "message": "a\0b" }), "message", "must not contain NUL"),
        (
            json!({ "author": too_long, "message": "hello" }),
            "author",
            "has 61 characters; at most 60 are allowed",
        ),
    ];
    for (draft, field, why) in refusals {
        let problem = json!({ "error": format!("{field} {why}"), "field": field });
        app.post(ENTRIES, &draft).await.is_problem(StatusCode::UNPROCESSABLE_ENTITY, &problem);
    }
    assert_eq!(app.get(ENTRIES).await.json(), json!([]));
    assert_eq!(app.get("/guestbook/api/authors/Ada").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_that_is_not_understood_is_refused() {
    let app = App::new().await;
    let broken = app.send("POST", ENTRIES, Some("application/json"), "{").await;
    assert_eq!((broken.status, broken.header("content-type")), (StatusCode::BAD_REQUEST, "application/json"));
    let untyped = app.send("POST", ENTRIES, None, r#"{"author":"Ada","message":"hello"}"#).await;
    assert_eq!(untyped.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(untyped.text().contains("application/json"), "{}", untyped.text());
    let number = app.post(ENTRIES, &json!({ "author": 5, "message": "hello" })).await;
    assert_eq!(number.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(number.text().contains("expected a string"), "{}", number.text());
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let app = App::new().await;
    let padding = vec!["sixteen letters."; 4000];
    let answer = app.post(ENTRIES, &json!({ "author": "Ada", "message": "hello", "padding": padding })).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(app.get(ENTRIES).await.json(), json!([]));
}

#[tokio::test]
async fn the_list_begins_with_the_newest_and_ends_where_the_reader_wants() {
    let app = App::new().await;
    app.sign("Ada", "one").await;
    app.sign("Grace", "two").await;
    app.sign("Ada", "three").await;
    let list = async |limit: &str| app.get(&format!("{ENTRIES}?limit={limit}")).await;
    let newest = list("2").await.json();
    let told = |entry: &Value| (entry["id"].clone(), entry["author"].clone(), entry["message"].clone());
    let told: Vec<_> = newest.as_array().unwrap().iter().map(told).collect();
    assert_eq!(told, [(json!(3), json!("Ada"), json!("three")), (json!(2), json!("Grace"), json!("two"))]);
    assert_eq!(list("100").await.json().as_array().unwrap().len(), 3);
    let problem = json!({ "error": "limit must be 1 to 100", "field": "limit" });
    list("0").await.is_problem(StatusCode::UNPROCESSABLE_ENTITY, &problem);
    assert_eq!(list("101").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(list("many").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_author_s_entries_are_counted_and_what_is_deleted_counts_no_more() {
    let app = App::new().await;
    let entries = async || app.get("/guestbook/api/authors/Ada").await.json()["entries"].clone();
    app.sign("Ada", "one").await;
    app.sign("Ada", "two").await;
    assert_eq!(entries().await, 2);
    let deleted = app.delete("/guestbook/api/entries/1").await;
    assert_eq!((deleted.status, deleted.text()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(entries().await, 1);
    assert_eq!(app.get(ENTRIES).await.json()[0]["message"], "two");
    // A second time there is nothing to delete, and nothing to take off.
    let again = app.delete("/guestbook/api/entries/1").await;
    again.is_problem(StatusCode::NOT_FOUND, &json!({ "error": "there is no such entry" }));
    assert_eq!(entries().await, 1);
}

#[tokio::test]
async fn an_author_s_name_is_any_text() {
    let app = App::new().await;
    app.sign("Grace Höpper", "hello").await;
    let author = app.get("/guestbook/api/authors/Grace%20H%C3%B6pper").await;
    assert_eq!(author.json(), json!({ "name": "Grace Höpper", "entries": 1 }));
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let app = App::new().await;
    let entry = app.get("/guestbook/api/entries/9").await;
    entry.is_problem(StatusCode::NOT_FOUND, &json!({ "error": "there is no such entry" }));
    assert_eq!(app.get("/guestbook/api/entries/first").await.status, StatusCode::BAD_REQUEST);
    let author = app.get("/guestbook/api/authors/Nobody").await;
    author.is_problem(StatusCode::NOT_FOUND, &json!({ "error": "there is no such author" }));
}
