//! An answer against what was expected of it. Says the first difference.

use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use serde_json::Value;

use crate::case::{Expect, Field};
use crate::target::Answer;

/// Milliseconds between a time that is expected and one that will do: clocks differ, and answers take their time.
const TOLERANCE: f64 = 10_000.0;

pub(crate) fn compare(answer: &Answer, expect: &Expect) -> Result<(), String> {
    let status = expect.status.unwrap_or(200);
    let text = String::from_utf8_lossy(&answer.body);
    if answer.status != status {
        return Err(format!("status {} instead of {status}, {}", answer.status, told(&text)));
    }
    if answer.broken != expect.broken {
        return Err(format!("the body {}", if answer.broken { "broke off" } else { "came to its end" }));
    }
    fields("header", &answer.headers, &expect.headers)?;
    fields("trailer", &answer.trailers, &expect.trailers)?;
    if let Some(body) = expect.body.as_ref().filter(|body| **body != text) {
        return Err(format!("body `{}` instead of `{}`", cut(&text), cut(body)));
    }
    if let Some(part) = expect.contains.as_ref().filter(|part| !text.contains(*part)) {
        return Err(format!("body `{}` does not contain `{part}`", cut(&text)));
    }
    if let Some(length) = expect.length.filter(|length| *length != answer.body.len()) {
        return Err(format!("body of {} bytes instead of {length}", answer.body.len()));
    }
    let Some(expected) = &expect.json else { return Ok(()) };
    let value: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("body `{}` is not JSON: {error}", cut(&text)))?;
    json("", &value, expected)
}

/// A body for people. A host that shows why it failed (RFC 9457, with `cause` and `log`) is quoted line by line.
fn told(text: &str) -> String {
    let problem: Option<Value> = serde_json::from_str(text).ok();
    let Some(cause) = problem.as_ref().and_then(|problem| problem.get("cause")?.as_str()) else {
        return format!("with body `{}`", cut(text));
    };
    let log = problem.as_ref().and_then(|problem| problem.get("log")?.as_array());
    let lines = log.into_iter().flatten().filter_map(Value::as_str).map(|line| format!("\n  log: {line}"));
    format!("because {cause}{}", lines.collect::<String>())
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(300)).unwrap_or_default()
}

fn fields(
    kind: &str,
    actual: &HeaderMap,
    expected: &std::collections::BTreeMap<String, Field>,
) -> Result<(), String> {
    for (name, field) in expected {
        let values: Vec<String> = actual
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into())
            .collect();
        let fits = match field {
            Field::Present(present) => *present != values.is_empty(),
            Field::Values(wanted) => wanted.values() == values,
        };
        if !fits {
            return Err(format!("{kind} `{name}` is {values:?}, expected {field:?}"));
        }
    }
    Ok(())
}

/// Objects may have more members than were named; everything else is equal.
fn json(at: &str, actual: &Value, expected: &Value) -> Result<(), String> {
    match (actual, expected) {
        (_, Value::String(any)) if any == "<any>" => Ok(()),
        (Value::Null, Value::String(none)) if none == "<none>" => Ok(()),
        (Value::Number(time), Value::String(text)) if is_time(time.as_f64(), text) => Ok(()),
        (Value::Object(actual), Value::Object(expected)) => expected.iter().try_for_each(|(key, value)| {
            json(&format!("{at}/{key}"), actual.get(key).unwrap_or(&Value::Null), value)
        }),
        (Value::Array(actual), Value::Array(expected)) if actual.len() == expected.len() => {
            let mut pairs = actual.iter().zip(expected).enumerate();
            pairs.try_for_each(|(index, (actual, expected))| json(&format!("{at}/{index}"), actual, expected))
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => Ok(()),
        (actual, expected) if actual == expected => Ok(()),
        (actual, expected) => {
            let at = if at.is_empty() { "the body" } else { at };
            Err(format!("{at} is `{}` instead of `{expected}`", cut(&actual.to_string())))
        }
    }
}

/// Whether a number is the Unix time in milliseconds that `<in 60000 ms>` stands for.
fn is_time(time: Option<f64>, text: &str) -> bool {
    let span = text.strip_prefix("<in ").and_then(|rest| rest.strip_suffix(" ms>"));
    let (Some(time), Some(Ok(span))) = (time, span.map(str::parse::<f64>)) else { return false };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0;
    (time - now - span).abs() <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::{SystemTime, UNIX_EPOCH, json, told};
    use serde_json::json as value;

    #[test]
    fn objects_may_say_more_but_not_less() {
        assert!(json("", &value!({"a": 1, "b": 2}), &value!({"a": 1})).is_ok());
        assert_eq!(json("", &value!({}), &value!({"a": 1})).unwrap_err(), "/a is `null` instead of `1`");
        assert!(json("", &value!({"a": null}), &value!({"a": "<none>", "b": "<none>"})).is_ok());
        assert!(json("", &value!({"a": 1}), &value!({"a": "<none>"})).is_err());
        assert!(json("", &value!([1]), &value!([1, 2])).is_err());
        assert!(json("", &value!({"id": "x"}), &value!({"id": "<any>"})).is_ok());
    }

    #[test]
    fn a_failure_that_is_explained_is_told_with_the_last_lines_of_the_log() {
        let problem = r#"{"title": "x", "cause": "the guest trapped", "log": ["error a", "info b"]}"#;
        assert_eq!(told(problem), "because the guest trapped\n  log: error a\n  log: info b");
        assert_eq!(told("[1]"), "with body `[1]`");
    }

    #[test]
    fn a_time_is_about_right() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() * 1000;
        let expected = value!("<in 60000 ms>");
        assert!(json("", &value!(now + 60_500), &expected).is_ok());
        assert!(json("", &value!(now + 10_000), &expected).is_err());
        assert!(json("", &value!(60_000), &expected).is_err());
        assert!(json("", &value!(null), &expected).is_err());
    }
}
