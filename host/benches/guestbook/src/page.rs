//! The page: the form, the latest entries, and how often it was seen.

use std::fmt::{self, Display};

use axum::{
    extract::{Form, State, rejection::FormRejection},
    response::{Html, IntoResponse, Redirect, Response},
};
use chrono::SecondsFormat;

use crate::{
    Guestbook,
    entry::{self, Draft, Entry},
    problem::Problem,
};

/// `GET /guestbook`
pub(crate) async fn show(State(book): State<Guestbook>) -> Result<Html<String>, Problem> {
    let views = book.views.increment("guestbook", 1);
    Ok(Html(render(&book, &Draft::default(), None, views).await?))
}

/// `POST /guestbook` from the form: back to the page, or the page again with what is wrong.
pub(crate) async fn sign(
    State(book): State<Guestbook>,
    draft: Result<Form<Draft>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(draft) = match draft {
        Ok(draft) => draft,
        Err(rejection) => return Err(Problem::Malformed(rejection.status(), rejection.body_text())),
    };
    match entry::add(&book.pool, &draft).await {
        Ok(_) => Ok(Redirect::to("/guestbook").into_response()),
        Err(problem @ Problem::Invalid { .. }) => {
            let (status, message) = problem.describe();
            let views = book.views.increment("guestbook", 0);
            Ok((status, Html(render(&book, &draft, Some(&message), views).await?)).into_response())
        }
        Err(problem) => Err(problem),
    }
}

async fn render(
    book: &Guestbook,
    draft: &Draft,
    problem: Option<&str>,
    views: i64,
) -> Result<String, Problem> {
    let entries = entry::latest(&book.pool.get().await?, book.settings.page_size).await?;
    Ok(html(&book.settings.title, draft, problem, &entries, views))
}

fn html(title: &str, draft: &Draft, problem: Option<&str>, entries: &[Entry], views: i64) -> String {
    let title = Escaped(title);
    let problem =
        problem.map_or_else(String::new, |text| format!("<p class=problem role=alert>{}</p>", Escaped(text)));
    let list = if entries.is_empty() {
        "<p class=empty>Nobody has signed yet. Be the first!</p>".to_owned()
    } else {
        entries.iter().map(article).collect()
    };
    let (author, message) = (Escaped(&draft.author), Escaped(&draft.message));
    format!(
        "<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta name=viewport content=\"width=device-width, initial-scale=1\">
<title>{title}</title>
<style>{STYLE}</style>
<main>
<h1>{title}</h1>
<form method=post action=/guestbook>
{problem}
<label>Your name <input name=author maxlength=60 required autocomplete=name value=\"{author}\"></label>
<label>Your message <textarea name=message rows=3 maxlength=1000 required>{message}</textarea></label>
<button>Sign</button>
</form>
{list}
<footer>Seen {views} times · <a href=/guestbook/api/entries>JSON</a></footer>
</main>
"
    )
}

fn article(entry: &Entry) -> String {
    let time = entry.created_at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let day = entry.created_at.date_naive();
    let (author, message) = (Escaped(&entry.author), Escaped(&entry.message));
    format!(
        "<article><header><b>{author}</b> <time datetime=\"{time}\">{day}</time></header><p>{message}</p></article>\n"
    )
}

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --accent: #2563eb }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 }
main { max-width: 38rem; margin: 0 auto; padding: 2rem 1rem }
h1 { font-size: 1.8rem; margin: 0 0 1rem }
form { display: grid; gap: .8rem; padding: 1rem; border: 1px solid var(--line); border-radius: .6rem }
label { display: grid; gap: .2rem; font-size: .9rem }
input, textarea { font: inherit; padding: .5rem; border: 1px solid var(--line); border-radius: .4rem }
button { font: inherit; justify-self: start; padding: .5rem 1.2rem; border: 0; border-radius: .4rem;
  background: var(--accent); color: #fff; cursor: pointer }
article { padding: .8rem 0; border-bottom: 1px solid var(--line) }
article p { margin: .2rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere }
time, footer, .empty { color: #888; font-size: .85rem }
footer { margin-top: 1.5rem }
.problem { margin: 0; color: #dc2626 }
";

/// Text as HTML shows it, fit for elements and quoted attributes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(place) = rest.find(['&', '<', '>', '"', '\'']) {
            let (plain, special) = rest.split_at(place);
            f.write_str(plain)?;
            let (special, after) = special.split_at(1);
            f.write_str(match special {
                "&" => "&amp;",
                "<" => "&lt;",
                ">" => "&gt;",
                "\"" => "&quot;",
                _ => "&#39;",
            })?;
            rest = after;
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    #[test]
    fn what_people_type_cannot_become_markup() {
        assert_eq!(
            Escaped("<b a='1' c=\"2\">&é").to_string(),
            "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;é"
        );
        let entry = Entry {
            id: 1,
            author: "<script>".into(),
            message: "a & b".into(),
            created_at: DateTime::UNIX_EPOCH,
        };
        let draft = Draft { author: "\"><i>".into(), message: "</textarea>".into() };
        let page = html("T<", &draft, Some("x<y"), &[entry], 3);
        for raw in ["<script>", "\"><i>", "</textarea></textarea>", "T<<", "x<y"] {
            assert!(!page.contains(raw), "{raw} in {page}");
        }
        assert!(page.contains("Seen 3 times") && page.contains("1970-01-01"));
    }
}
