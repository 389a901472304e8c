//! The page and its form.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::App;

#[tokio::test]
async fn an_empty_book_asks_for_its_first_entry_and_counts_who_looked() {
    let app = App::new().await;
    let page = app.get("/guestbook").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("Nobody has signed yet"), "{}", page.text());
    assert!(app.get("/guestbook").await.text().contains("Seen 2 times"));
}

#[tokio::test]
async fn who_signs_by_the_form_comes_back_to_a_page_that_shows_it() {
    let app = App::new().await;
    let answer = app.submit("author=Grace&message=From+the+form").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/guestbook"));
    let page = app.get("/guestbook").await;
    assert!(page.text().contains("<b>Grace</b>"), "{}", page.text());
    assert!(page.text().contains("<p>From the form</p>"), "{}", page.text());
}

#[tokio::test]
async fn what_people_type_cannot_become_markup() {
    let app = App::new().await;
    let answer = app.submit("author=%3Cb%3E&message=a+%26+%3Cscript%3E").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let page = app.get("/guestbook").await;
    assert!(page.text().contains("<b>&lt;b&gt;</b>"), "{}", page.text());
    assert!(page.text().contains("<p>a &amp; &lt;script&gt;</p>"), "{}", page.text());
}

#[tokio::test]
async fn a_form_against_the_rules_comes_back_with_what_was_typed_and_why() {
    let app = App::new().await;
    let answer = app.submit("author=Ada&message=+").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(answer.text().contains("message must not be empty"), "{}", answer.text());
    assert!(answer.text().contains("value=\"Ada\""), "{}", answer.text());
    assert_eq!(app.get("/guestbook/api/entries").await.json(), json!([]));
    assert!(app.get("/guestbook").await.text().contains("Seen 1 times"), "only who looks is counted");
}

#[tokio::test]
async fn a_form_that_is_none_is_refused() {
    let app = App::new().await;
    let answer = app.send("POST", "/guestbook", Some("text/plain"), "author=Ada&message=hello").await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(answer.text().contains("application/x-www-form-urlencoded"), "{}", answer.text());
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let app = App::new().await;
    let answer = app.get("/guestbook/elsewhere").await;
    answer.is_problem(StatusCode::NOT_FOUND, &json!({ "error": "there is no such page" }));
    let answer = app.delete("/guestbook").await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD,POST"));
}
