//! What a client reads of a failure: a page for browsers, `application/problem+json` (RFC 9457) for programs. The cause
//! and what the guest logged are told only where the operator asked for it, as `wharf dev` does.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::request::RequestId;

/// Lines of a guest's log that a page shows.
const LAST: usize = 30;

/// The last lines that a guest logged in one request.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<VecDeque<String>>);

impl Notes {
    pub(crate) fn add(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Why it failed, for whoever develops the service.
pub(crate) struct Cause {
    /// The whole chain of errors; for a trap with the guest's backtrace.
    pub(crate) error: String,
    pub(crate) log: Vec<String>,
}

/// One failure as it is told.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) sentence: &'static str,
    pub(super) request: RequestId,
    pub(super) cause: Option<Cause>,
}

impl Page {
    /// Media type and text.
    pub(super) fn render(&self, accept: Option<&HeaderValue>) -> (&'static str, String) {
        if accept.and_then(|accept| accept.to_str().ok()).is_some_and(prefers_html) {
            ("text/html; charset=utf-8", self.html())
        } else {
            ("application/problem+json", self.problem())
        }
    }

    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    fn problem(&self) -> String {
        let mut problem = json!({
            "type": "about:blank",
            "title": self.title(),
            "status": self.status.as_u16(),
            "detail": self.sentence,
            "code": self.code,
            "request-id": self.request.as_str(),
        });
        if let (Some(cause), Some(fields)) = (&self.cause, problem.as_object_mut()) {
            fields.insert("cause".to_owned(), json!(cause.error));
            fields.insert("log".to_owned(), json!(cause.log));
        }
        format!("{problem}\n")
    }

    fn html(&self) -> String {
        let (status, title, sentence) = (self.status.as_u16(), self.title(), escape(self.sentence));
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{status} {title}</title>\n\
             <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:10vh auto;padding:0 1rem}}\
             pre{{background:#8881;padding:1rem;overflow-x:auto;font-size:13px}}small{{color:#777}}\
             :root{{color-scheme:light dark}}</style>\n<h1>{status} {title}</h1>\n<p>{sentence}</p>\n"
        );
        if let Some(cause) = &self.cause {
            let _ = write!(page, "<h2>Cause</h2>\n<pre>{}</pre>\n", escape(&cause.error));
            if !cause.log.is_empty() {
                let _ = write!(page, "<h2>Log</h2>\n<pre>{}</pre>\n", escape(&cause.log.join("\n")));
            }
        }
        let _ =
            write!(page, "<p><small>{} &middot; {}</small></p>\n</html>\n", self.code, self.request.as_str());
        page
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Whether a client names HTML, and not JSON before it: browsers do, `curl` and programs do not.
fn prefers_html(accept: &str) -> bool {
    let weight = |wanted: &[&str]| {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next()?.to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0_f32);
            wanted.contains(&kind.as_str()).then_some(weight)
        });
        ranges.fold(0.0, f32::max)
    };
    let html = weight(&["text/html", "application/xhtml+xml"]);
    html > 0.0 && html >= weight(&["application/problem+json", "application/json"])
}

#[cfg(test)]
mod tests {
    use super::{Cause, Page, StatusCode, prefers_html};
    use crate::request::RequestId;

    #[test]
    fn browsers_get_a_page_and_programs_a_problem() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (accept, html) in [
            (browser, true),
            ("*/*", false),
            ("application/json", false),
            ("text/html;q=0.1, application/json", false),
            ("text/html;q=0", false),
            ("TEXT/HTML", true),
            (";;,,q=", false),
        ] {
            assert_eq!(prefers_html(accept), html, "{accept}");
        }
    }

    #[test]
    fn what_a_guest_wrote_is_not_markup() {
        let cause = Cause { error: "<script>".to_owned(), log: vec!["a & b".to_owned()] };
        let page = Page {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "guest-trap",
            sentence: "The service failed.",
            request: RequestId::new(std::time::SystemTime::now()),
            cause: Some(cause),
        };
        let html = page.html();
        assert!(html.contains("&lt;script&gt;") && html.contains("a &amp; b"), "{html}");
        let problem: serde_json::Value = serde_json::from_str(&page.problem()).unwrap();
        assert_eq!((&problem["code"], &problem["status"]), (&"guest-trap".into(), &500.into()));
    }
}
