//! Contract guest for `guard`; `../../README.md` lists what it says of which request.

use wharf_guest::{
    Config, Head, Kv, Response, Result,
    guard::Verdict,
    serde_json::{Value, json},
};

#[wharf_guest::guard]
fn check(request: &Head) -> Result<Verdict> {
    if request.header("x-trap").is_some() {
        trap();
    }
    if request.header("x-spin").is_some() {
        spin();
    }
    if let Some(why) = request.header("x-deny") {
        let refusal = Response::text(format!("denied: {why}")).status(403).header("x-guard", "contract");
        return Ok(Verdict::answer(refusal));
    }
    let Some(user) = request.header("x-allow") else {
        let challenge = Response::text("say who you are: x-allow").status(401);
        return Ok(Verdict::answer(challenge.header("www-authenticate", "Contract")));
    };
    let mut verdict = Verdict::allow().annotate("user", user).annotate("realm", Config::require("realm")?);
    if let Some(key) = request.header("x-count") {
        verdict = verdict.annotate("count", Kv::open("cache")?.increment(key, 1)?.to_string());
    }
    if request.header("x-see").is_some() {
        verdict = verdict.annotate("seen", seen(request).to_string());
    }
    Ok(verdict)
}

/// What a guard gets to know of a request.
fn seen(request: &Head) -> Value {
    json!({
        "method": request.method(),
        "path": request.path(),
        "query": request.query(),
        "id": request.path_param("id"),
        "key": request.annotation("api-key"),
        "remote_addr": request.remote_addr(),
    })
}

#[expect(clippy::panic, reason = "that is what this field is for")]
fn trap() -> ! {
    panic!("asked to trap here")
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}
