//! Guards: checks that run before a route's handler and never see the body; what `#[wharf_guest::guard]` exports.
//!
//! ```
//! use wharf_guest::{Head, Kv, Response, Result, guard::Verdict};
//!
//! #[wharf_guest::guard]
//! fn check(request: &Head) -> Result<Verdict> {
//!     let Some(session) = request.header("x-session") else {
//!         return Ok(Verdict::answer(Response::text("please sign in").status(401)));
//!     };
//!     match Kv::open("sessions")?.get(session)? {
//!         Some(user) => Ok(Verdict::allow().annotate("user", String::from_utf8_lossy(&user))),
//!         None => Ok(Verdict::answer(Response::text("you were signed out").status(401))),
//!     }
//! }
//! ```
//!
//! A guard is a service of its own: `guard = true` in its `wharf.toml`, no routes, and grants, config and limits as any
//! other. Every service of the same host can list it:
//!
//! ```toml
//! [guards.session]
//! service = "sessions"
//!
//! [[routes]]
//! path = "/account/{*rest}"
//! guards = ["session"]
//! ```
//!
//! The handler behind it asks [`request.annotation("user")`](Head::annotation), or in axum
//! [`RequestInfo`](crate::RequestInfo). Each question gets a fresh instance. An error refuses the request with the
//! response that it is, a panic with 500; while the guard's service is not deployed, its routes answer 503.

use crate::{
    Head, IntoReply, Response, bindings::guard::exports::wharf::platform::guard::Verdict as RawVerdict,
    bindings::wharf::platform::http_types,
};

/// What a [`guard`](macro@crate::guard) says of a request.
#[derive(Debug)]
#[must_use]
pub struct Verdict(Judgement);

#[derive(Debug)]
enum Judgement {
    Allow(Vec<(String, String)>),
    Answer(Response),
}

impl Verdict {
    /// The request may go on, to the next guard or to the handler.
    pub fn allow() -> Self {
        Self(Judgement::Allow(Vec::new()))
    }

    /// The request ends here with this response. It must be there as a whole: the pieces of a
    /// [stream](Response::stream) are collected, and trailers are lost.
    pub fn answer(response: impl IntoReply) -> Self {
        Self(Judgement::Answer(response.into_reply()))
    }

    /// Tells the handler, and the guards after this one, what was found out; instead of anything that was said under
    /// this name. With an answer there is no handler to tell.
    pub fn annotate(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Judgement::Allow(annotations) = &mut self.0 {
            let name = name.into();
            annotations.retain(|(other, _)| *other != name);
            annotations.push((name, value.into()));
        }
        self
    }

    /// What the handler will be told, or none with an answer: for tests of a guard.
    #[must_use]
    pub fn annotations(&self) -> Option<&[(String, String)]> {
        match &self.0 {
            Judgement::Allow(annotations) => Some(annotations),
            Judgement::Answer(_) => None,
        }
    }

    /// The response that the request ends with, if it does: for tests of a guard.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        match &self.0 {
            Judgement::Allow(_) => None,
            Judgement::Answer(response) => Some(response),
        }
    }

    fn into_raw(self) -> RawVerdict {
        match self.0 {
            Judgement::Allow(annotations) => RawVerdict::Allow(annotations),
            Judgement::Answer(response) => RawVerdict::Answer(response.into_whole()),
        }
    }
}

/// What a guard may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no verdict on a request",
    label = "a guard returns `wharf_guest::guard::Verdict`, or a `Result` of it"
)]
pub trait IntoVerdict {
    /// Turns the value into a verdict.
    fn into_verdict(self) -> Verdict;
}

impl IntoVerdict for Verdict {
    fn into_verdict(self) -> Verdict {
        self
    }
}

/// An error refuses the request with the response that it is.
impl<E: IntoReply> IntoVerdict for Result<Verdict, E> {
    fn into_verdict(self) -> Verdict {
        self.unwrap_or_else(Verdict::answer)
    }
}

/// Runs a guard.
#[doc(hidden)]
pub fn check<V: IntoVerdict>(guard: impl FnOnce(&Head) -> V, head: http_types::Request) -> RawVerdict {
    crate::service::start();
    guard(&head.into()).into_verdict().into_raw()
}

/// The same for an `async fn`.
#[doc(hidden)]
pub fn check_async<V: IntoVerdict>(
    guard: impl AsyncFnOnce(&Head) -> V,
    head: http_types::Request,
) -> RawVerdict {
    check(|head| crate::block_on(guard(head)), head)
}

#[cfg(test)]
mod tests {
    use super::{RawVerdict, Verdict, check, check_async};
    use crate::{ErrorKind, Head, Response, Result, head::tests::head};

    fn judge(request: &Head) -> Result<Verdict> {
        match request.path() {
            "/open" => Ok(Verdict::allow().annotate("user", "6").annotate("user", "7")),
            "/shut" => Ok(Verdict::answer(Response::text("shut").status(403)).annotate("user", "7")),
            _ => Err(ErrorKind::Request("`path` is wrong".into()).into()),
        }
    }

    #[test]
    fn the_last_annotation_of_a_name_stays() {
        let verdict = check(judge, head("GET", "/open"));
        assert!(matches!(verdict, RawVerdict::Allow(pairs) if pairs == [("user".into(), "7".into())]));
    }

    #[test]
    fn an_answer_and_an_error_end_the_request() {
        let status = |path| match check(judge, head("GET", path)) {
            RawVerdict::Answer(response) => response.status,
            RawVerdict::Allow(_) => 0,
        };
        assert_eq!((status("/shut"), status("/other")), (403, 400));
    }

    #[test]
    fn a_guard_may_be_async() {
        let verdict = check_async(async |request: &Head| judge(request), head("GET", "/open"));
        assert!(matches!(verdict, RawVerdict::Allow(_)));
    }

    #[test]
    fn a_verdict_tells_what_it_is() {
        let allowed = Verdict::allow().annotate("user", "7");
        assert_eq!(allowed.annotations(), Some(&[("user".to_owned(), "7".to_owned())][..]));
        assert!(Verdict::answer("no").response().is_some_and(|response| response.status_code() == 200));
    }
}
