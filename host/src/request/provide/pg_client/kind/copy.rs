//! COPY: which way it goes, and whether its other end is the client.

use crate::sql_text::{after_comment, after_quote, first_word};

/// Which way a COPY goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Direction {
    In,
    Out,
}

impl Direction {
    /// The direction of a COPY whose other end is the client; none for everything else, and where the text
    /// does not tell: a file or program of the server's must not pass for the client.
    pub(in super::super) fn of_copy(sql: &str) -> Option<Self> {
        let text = sql.to_ascii_lowercase();
        let (first, rest) = first_word(&text);
        let (direction, end) = copy_end(rest).filter(|_| first == "copy")?;
        matches!(first_word(end).0, "stdin" | "stdout").then_some(direction)
    }
}

/// The direction of a COPY and what follows that word, which stands outside of columns and queries.
fn copy_end(mut rest: &str) -> Option<(Direction, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
    let mut depth = 0_usize;
    loop {
        let first = rest.chars().next()?;
        rest = match first {
            '-' if rest.starts_with("--") => rest.split_once(['\n', '\r'])?.1,
            '/' if rest.starts_with("/*") => after_comment(rest),
            '\'' | '"' => after_quote(rest, first)?,
            // Quotes of the user's own making.
            '$' => return None,
            _ if is_part(first) => {
                let (word, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
                match word {
                    "from" if depth == 0 => return Some((Direction::In, after)),
                    "to" if depth == 0 => return Some((Direction::Out, after)),
                    _ => after,
                }
            }
            _ => {
                depth = match first {
                    '(' => depth + 1,
                    ')' => depth.checked_sub(1)?,
                    _ => depth,
                };
                rest.strip_prefix(first)?
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::Direction;

    #[test]
    fn the_direction_of_a_copy_is_told_from_its_end() {
        for (sql, direction) in [
            ("copy t from stdin", Some(Direction::In)),
            ("/* a */ COPY t (a, b) FROM STDIN WITH (format csv)", Some(Direction::In)),
            ("copy (select 1) to stdout", Some(Direction::Out)),
            ("copy (select 'it''s (' as \"a)\" /* ( */) to stdout with (null '\\N')", Some(Direction::Out)),
            ("copy t to '/tmp/x'", None),
            ("copy t to '/tmp/stdout'", None),
            ("copy t to program 'cat # stdout'", None),
            ("copy t from /* stdin */ '/tmp/x'", None),
            ("copy (select '\\') to stdout (' ) to '/tmp/x'", None),
            ("copy (select $$) to stdout ($$) to '/tmp/x'", None),
            ("copy \"to stdout\" to '/tmp/x'", None),
            ("select 'stdin'", None),
        ] {
            assert_eq!(Direction::of_copy(sql), direction, "{sql}");
        }
    }
}
