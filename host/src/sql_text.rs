//! What can be told of SQL without a parser: words, quotes, comments, and where statements end. PostgreSQL's rules;
//! in doubt a reader finds more words than there are, never fewer.

/// A name or keyword, wherever it stands: inside of literals and comments, too, where it does no harm.
pub(crate) struct Word<'a> {
    pub(crate) text: &'a str,
    /// A parenthesis follows, or a comment that may hide one.
    pub(crate) calls: bool,
}

pub(crate) fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '"') || !c.is_ascii();
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !is_part(c));
        if rest.is_empty() {
            return None;
        }
        let (word, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        rest = after;
        let after = after.trim_start();
        let calls = ["(", "/*", "--"].iter().any(|opening| after.starts_with(opening));
        // A number before a parenthesis calls nothing.
        Some(Word { text: word, calls: calls && !word.chars().all(|c| c.is_ascii_digit()) })
    })
}

/// The first word behind white space, comments, parentheses and empty statements, and what follows it.
pub(crate) fn first_word(sql: &str) -> (&str, &str) {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
        if let Some(comment) = rest.strip_prefix("--") {
            // The server ends such a comment at either.
            rest = comment.split_once(['\n', '\r']).map_or("", |(_, after)| after);
        } else if rest.starts_with("/*") {
            rest = after_comment(rest);
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            return rest.split_at(end);
        }
    }
}

/// Block comments nest in PostgreSQL.
pub(crate) fn after_comment(text: &str) -> &str {
    let (mut depth, mut rest) = (0_u32, text);
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, inner);
        } else if let Some(outer) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, outer);
            if depth == 0 {
                return rest;
            }
        } else {
            let mut chars = rest.chars();
            chars.next();
            rest = chars.as_str();
        }
    }
    rest
}

/// The names between the dots of a name, without their quotes.
pub(crate) fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split('.').map(|part| part.trim_matches('"'))
}

/// What follows a quoted text or name; a doubled quote begins another. None where a backslash stands before
/// the quote: what that means depends on settings of the session.
pub(crate) fn after_quote(text: &str, quote: char) -> Option<&str> {
    let (quoted, after) = text.strip_prefix(quote)?.split_once(quote)?;
    (!quoted.ends_with('\\')).then_some(after)
}

/// Statements of a text, each with the line that it begins in; semicolons within quotes and comments end none.
pub(crate) fn split(text: &str) -> Vec<(usize, &str)> {
    let (mut statements, mut begun, mut at) = (Vec::new(), 0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        at += token(rest);
        if rest.starts_with(';') {
            statements.push((begun, text.get(begun..at - 1).unwrap_or_default()));
            begun = at;
        }
    }
    statements.push((begun, text.get(begun..).unwrap_or_default()));
    let (mut line, mut counted) = (1, 0);
    let placed = statements.into_iter().map(|(begun, statement)| {
        let begun = begun + blank(statement);
        line += text.get(counted..begun).unwrap_or_default().matches('\n').count();
        counted = begun;
        (line, statement.get(blank(statement)..).unwrap_or_default().trim_end())
    });
    placed.filter(|(_, statement)| !statement.is_empty()).collect()
}

/// Bytes of white space and comments that a text begins with.
fn blank(text: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let is_comment = rest.starts_with("--") || rest.starts_with("/*");
        if !is_comment && !rest.starts_with(char::is_whitespace) {
            break;
        }
        at += token(rest);
    }
    at
}

/// Bytes of what a text begins with: a quoted thing, a comment, or one character.
fn token(text: &str) -> usize {
    let to = |end: &str, from: usize| {
        text.get(from..).and_then(|rest| rest.find(end)).map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("--") {
        // The server ends such a comment at either.
        return text.find(['\n', '\r']).map_or(text.len(), |end| end + 1);
    }
    if text.starts_with("/*") {
        return text.len() - after_comment(text).len();
    }
    match text.chars().next() {
        // A doubled quote ends one literal and begins the next, which comes to the same.
        Some('\'') => to("'", 1),
        Some('"') => to("\"", 1),
        Some('$') => {
            let tag = text.get(1..).and_then(|rest| rest.find('$')).map(|at| &text[..at + 2]);
            let is_tag = |tag: &&str| tag[1..tag.len() - 1].chars().all(|c| c.is_alphanumeric() || c == '_');
            match tag.filter(is_tag).filter(|tag| !tag[1..].starts_with(|c: char| c.is_ascii_digit())) {
                Some(tag) => to(tag, tag.len()),
                None => 1,
            }
        }
        Some('e' | 'E') if text[1..].starts_with('\'') => escaped(text),
        // A whole name, within which a dollar or an `e` begins nothing.
        Some(c) if c.is_alphanumeric() || c == '_' => {
            text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$'))).unwrap_or(text.len())
        }
        Some(c) => c.len_utf8(),
        None => 0,
    }
}

/// `E'...'`, where a backslash keeps a quote from ending it.
fn escaped(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(2) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::{first_word, split};

    #[test]
    fn the_first_word_is_found_behind_whatever_stands_before_it() {
        let cases = [
            ("select 1", "select"),
            ("  \n( select 1)", "select"),
            ("-- a\n--b\n with x", "with"),
            ("--\rbegin /*\nselect */", "begin"),
            ("/* a /* b */ c */insert", "insert"),
            (";;begin", "begin"),
            ("/* open", ""),
            ("", ""),
            ("é", ""),
        ];
        for (sql, word) in cases {
            assert_eq!(first_word(sql).0, word, "{sql}");
        }
    }

    #[test]
    fn statements_end_where_they_end() {
        let text = "-- first\nselect ';' as a, \";\" ;\n\n/* ; /* ; */ */ select $$;$$, $tag$ ; $tag$, $1\n;;\n\
                    select e'\\';' , 'it''s;'; -- no; more\n  ";
        assert_eq!(
            split(text),
            [
                (2, "select ';' as a, \";\""),
                (4, "select $$;$$, $tag$ ; $tag$, $1"),
                (6, "select e'\\';' , 'it''s;'"),
            ]
        );
        assert_eq!(split("select a$b$c; select date'\\'; select 3").len(), 3);
        assert_eq!(split("-- a\rselect 1; select 2"), [(1, "select 1"), (1, "select 2")]);
        assert!(split(" -- nothing\n").is_empty());
        assert_eq!(split("select 'open").len(), 1);
    }
}
