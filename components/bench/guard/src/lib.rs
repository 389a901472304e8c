//! The least that a guard can do: look at a header, and let the request pass with an annotation.

use wharf_guest::{Head, guard::Verdict};

#[wharf_guest::guard]
fn check(request: &Head) -> Verdict {
    Verdict::allow().annotate("host", request.header("host").unwrap_or_default())
}
