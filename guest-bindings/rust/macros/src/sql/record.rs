//! The line that a statement leaves in the custom section `wharf:sql`: a JSON object.

use super::Place;
use std::fmt::Write;

/// `{"database","sql","params","file","line"}`, ended by a line feed; no other is in it.
pub(super) fn line(database: Option<&str>, sql: &str, params: &[String], place: &Place) -> String {
    let params: Vec<_> = params.iter().map(|param| quoted(param)).collect();
    format!(
        "{{\"database\":{},\"sql\":{},\"params\":[{}],\"file\":{},\"line\":{}}}\n",
        database.map_or_else(|| "null".to_owned(), quoted),
        quoted(sql),
        params.join(","),
        quoted(&place.file),
        place.line,
    )
}

/// Text as JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::{Place, line};

    #[test]
    fn a_record_is_one_line_whatever_the_statement_holds() {
        let place = Place { file: r"src\lib.rs".to_owned(), line: 3 };
        let params = ["int8".to_owned(), "text[]".to_owned()];
        assert_eq!(
            line(Some("audit"), "select \"é\",\n\t'\\\u{1}'\r", &params, &place),
            "{\"database\":\"audit\",\"sql\":\"select \\\"é\\\",\\n\\t'\\\\\\u0001'\\u000d\",\
             \"params\":[\"int8\",\"text[]\"],\"file\":\"src\\\\lib.rs\",\"line\":3}\n"
        );
        assert!(line(None, "", &[], &place).starts_with("{\"database\":null,\"sql\":\"\",\"params\":[],"));
    }
}
