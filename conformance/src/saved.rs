//! What one step of a case saves of its answer, for the steps after it: versions, cursors, times.

use std::collections::BTreeMap;

use serde_json::Value;

/// Values by name. The text `<name>` in a later request's `json`, and in what is expected of it, stands for one.
#[derive(Debug, Default)]
pub(crate) struct Saved(BTreeMap<String, Value>);

impl Saved {
    /// Takes values out of an answer: by name, where they are, as in `entries.0.1.version`. What is null was not
    /// there.
    pub(crate) fn save(&mut self, what: &BTreeMap<String, String>, body: &[u8]) -> Result<(), String> {
        if what.is_empty() {
            return Ok(());
        }
        let answer: Value = serde_json::from_slice(body)
            .map_err(|error| format!("nothing can be saved of what is no JSON: {error}"))?;
        for (name, path) in what {
            let value = answer.pointer(&format!("/{}", path.replace('.', "/")));
            let Some(value) = value.filter(|value| !value.is_null()) else {
                return Err(format!("`{path}`, to be saved as `{name}`, is not in the answer"));
            };
            self.0.insert(name.clone(), value.clone());
        }
        Ok(())
    }

    /// A text with the values in the places of their names: text without quotes, and other values as JSON.
    pub(crate) fn put_in_text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.replace(&format!("<{name}>"), &value)
        })
    }

    /// A copy with every placeholder replaced.
    pub(crate) fn put_in(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match placeholder(text).and_then(|name| self.0.get(name)) {
                Some(saved) => saved.clone(),
                None => value.clone(),
            },
            Value::Array(items) => items.iter().map(|item| self.put_in(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, member)| (name.clone(), self.put_in(member))).collect()
            }
            other => other.clone(),
        }
    }
}

/// The name in `<name>`, when it is one: letters, digits and hyphens. `<any>` and `<none>` are none.
pub(crate) fn placeholder(text: &str) -> Option<&str> {
    let name = text.strip_prefix('<')?.strip_suffix('>')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_name && !["any", "none"].contains(&name)).then_some(name)
}

/// Every placeholder within a text.
pub(crate) fn placeholders_in(text: &str) -> Vec<&str> {
    let ends = text.match_indices('<').filter_map(|(begin, _)| {
        let rest = text.get(begin..)?;
        placeholder(rest.get(..=rest.find('>')?)?)
    });
    ends.collect()
}

/// Every placeholder of a value.
pub(crate) fn placeholders(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => placeholder(text).into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(placeholders).collect(),
        Value::Object(members) => members.values().flat_map(placeholders).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Saved, placeholder, placeholders, placeholders_in};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn save(what: &str, answer: &str) -> Result<Saved, String> {
        let mut saved = Saved::default();
        saved.save(&BTreeMap::from([("v".to_owned(), what.to_owned())]), answer.as_bytes())?;
        Ok(saved)
    }

    #[test]
    fn a_saved_value_is_put_in_with_its_type() {
        let saved = save("entries.1.version", r#"{"entries": [{}, {"version": 7}]}"#).unwrap();
        let request = json!({"key": "a", "condition": "<v>", "checks": [["<v>"]], "text": "not <v>"});
        let sent = json!({"key": "a", "condition": 7, "checks": [[7]], "text": "not <v>"});
        assert_eq!(saved.put_in(&request), sent);
        assert_eq!(placeholders(&request), ["<v>", "<v>"].map(|text| placeholder(text).unwrap()));
    }

    #[test]
    fn what_is_not_in_the_answer_cannot_be_saved() {
        assert!(save("version", r#"{"version": null}"#).unwrap_err().contains("`version`"));
        assert!(save("entries.2", r#"{"entries": [1, 2]}"#).is_err());
        assert!(save("version", "no JSON").is_err());
        assert!(Saved::default().save(&BTreeMap::new(), b"no JSON").is_ok());
    }

    #[test]
    fn a_text_holds_values_without_quotes() {
        let saved = save("id", r#"{"id": "a-1"}"#).unwrap();
        assert_eq!(saved.put_in_text("GET /x/<v>?y=<w>"), "GET /x/a-1?y=<w>");
        assert_eq!(placeholders_in("GET /x/<v>?y=<w> < >"), ["v", "w"]);
    }

    #[test]
    fn only_names_are_placeholders() {
        assert_eq!(placeholder("<first-page>"), Some("first-page"));
        for text in ["<any>", "<none>", "<>", "<in 5 ms>", "v", "<v", "<a><b>"] {
            assert_eq!(placeholder(text), None, "{text}");
        }
    }
}
