//! What a statement does to the session that runs it, told from its text.
//!
//! The driver hides what the server says about the state of a session, so the text decides, and every doubt
//! counts against it. A statement is *clean* when its first word is that of a query or a change of
//! rows and every function that it calls is known to leave nothing behind. Anything else soils the session: its
//! connection is reset before another request gets it. What a text cannot show is what triggers, operators
//! and casts of the user's own do: one of those that changes the session is found by no one.

/// What is to be known of a statement before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Leaves nothing that outlives it.
    Clean,
    /// May leave something behind.
    Soiling,
    /// Begins or ends transactions.
    Control,
    /// Switches the protocol to COPY.
    Copy,
}

/// Which way a COPY goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

impl Direction {
    /// The direction of a COPY whose other end is the client; none for everything else, and where the text
    /// does not tell: a file or program of the server's must not pass for the client.
    pub(super) fn of_copy(sql: &str) -> Option<Self> {
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

/// What follows a quoted text or name; a doubled quote begins another. None where a backslash stands before
/// the quote: what that means depends on settings of the session.
fn after_quote(text: &str, quote: char) -> Option<&str> {
    let (quoted, after) = text.strip_prefix(quote)?.split_once(quote)?;
    (!quoted.ends_with('\\')).then_some(after)
}

const QUERIES: [&str; 8] = ["select", "insert", "update", "delete", "merge", "with", "values", "show"];
const CONTROL: [&str; 8] = ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"];
const SEQUENCES: [&str; 2] = ["currval", "lastval"];

/// Words that may stand before a parenthesis without calling anything.
const SYNTAX: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "between",
    "by",
    "case",
    "cast",
    "check",
    "coalesce",
    "conflict",
    "cube",
    "default",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "filter",
    "from",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "lateral",
    "least",
    "like",
    "limit",
    "materialized",
    "not",
    "nullif",
    "offset",
    "on",
    "only",
    "or",
    "over",
    "overlaps",
    "returning",
    "rollup",
    "row",
    "select",
    "set",
    "sets",
    "similar",
    "some",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
    "with",
    "within",
];

/// Functions and types of PostgreSQL's own that leave nothing behind.
const HARMLESS: &[&str] = &[
    "abs",
    "age",
    "array_agg",
    "array_append",
    "array_cat",
    "array_fill",
    "array_length",
    "array_lower",
    "array_position",
    "array_positions",
    "array_prepend",
    "array_remove",
    "array_replace",
    "array_to_json",
    "array_to_string",
    "array_upper",
    "ascii",
    "avg",
    "bit",
    "bit_and",
    "bit_or",
    "bool_and",
    "bool_or",
    "bpchar",
    "btrim",
    "cardinality",
    "cbrt",
    "ceil",
    "ceiling",
    "char",
    "char_length",
    "character",
    "character_length",
    "chr",
    "clock_timestamp",
    "concat",
    "concat_ws",
    "convert_from",
    "convert_to",
    "corr",
    "cos",
    "count",
    "cume_dist",
    "current_database",
    "current_schema",
    "current_setting",
    "daterange",
    "date_bin",
    "date_part",
    "date_trunc",
    "decimal",
    "decode",
    "degrees",
    "dense_rank",
    "div",
    "encode",
    "every",
    "exp",
    "first_value",
    "float",
    "floor",
    "format",
    "gen_random_uuid",
    "generate_series",
    "generate_subscripts",
    "get_byte",
    "initcap",
    "int4range",
    "int8range",
    "isfinite",
    "json_agg",
    "json_array_elements",
    "json_build_array",
    "json_build_object",
    "json_each",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_array_length",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_extract_path",
    "jsonb_extract_path_text",
    "jsonb_object_agg",
    "jsonb_object_keys",
    "jsonb_path_exists",
    "jsonb_path_query",
    "jsonb_set",
    "jsonb_typeof",
    "lag",
    "last_value",
    "lead",
    "left",
    "length",
    "ln",
    "log",
    "lower",
    "lpad",
    "ltrim",
    "make_date",
    "make_interval",
    "make_timestamptz",
    "max",
    "md5",
    "min",
    "mod",
    "nextval",
    "now",
    "ntile",
    "numeric",
    "numrange",
    "octet_length",
    "overlay",
    "percent_rank",
    "percentile_cont",
    "percentile_disc",
    "pg_backend_pid",
    "pg_notify",
    "pg_sleep",
    "point",
    "position",
    "power",
    "random",
    "rank",
    "regexp_match",
    "regexp_matches",
    "regexp_replace",
    "regexp_split_to_array",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "row_number",
    "row_to_json",
    "rpad",
    "rtrim",
    "sha256",
    "sign",
    "split_part",
    "sqrt",
    "statement_timestamp",
    "strpos",
    "starts_with",
    "stddev",
    "string_agg",
    "string_to_array",
    "substr",
    "substring",
    "sum",
    "time",
    "timestamp",
    "timestamptz",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_regclass",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "transaction_timestamp",
    "translate",
    "trim",
    "trunc",
    "ts_headline",
    "ts_rank",
    "ts_rank_cd",
    "tsrange",
    "tstzrange",
    "unnest",
    "upper",
    "varbit",
    "varchar",
    "variance",
    "websearch_to_tsquery",
    "phraseto_tsquery",
    "plainto_tsquery",
    "width_bucket",
    "txid_current",
    "uuid_generate_v4",
    "pg_typeof",
];

impl Kind {
    pub(super) fn of(sql: &str) -> Self {
        let text = sql.to_ascii_lowercase();
        let (first, rest) = first_word(&text);
        match first {
            "copy" => Self::Copy,
            word if CONTROL.contains(&word) => Self::Control,
            "prepare" if first_word(rest).0 == "transaction" => Self::Control,
            word if QUERIES.contains(&word) => Self::of_query(&text),
            _ => Self::Soiling,
        }
    }

    /// Whether a clean statement cannot change a row.
    pub(super) fn only_reads(sql: &str) -> bool {
        matches!(first_word(&sql.to_ascii_lowercase()).0, "select" | "values")
    }

    fn of_query(text: &str) -> Self {
        let words: Vec<Word<'_>> = words(text).collect();
        let is_temporary = |part: &str| matches!(part, "temp" | "temporary") || part.starts_with("pg_temp");
        let creates_table = words.iter().flat_map(|word| parts(word.text)).any(is_temporary);
        // `insert into t (a)` calls nothing; any other `into` may stand in a literal or a comment.
        let inserts = matches!(words.first(), Some(first) if first.text == "insert")
            && matches!(words.get(1), Some(second) if second.text == "into");
        let calls =
            |(at, word): (usize, &Word<'_>)| word.calls && !is_harmless(word.text) && !(inserts && at == 2);
        if words.iter().enumerate().any(calls) || creates_table { Self::Soiling } else { Self::Clean }
    }

    /// Whether a statement may read what earlier ones of the session left in its sequences: by name, or
    /// within what it calls.
    pub(super) fn reads_sequences(self, sql: &str) -> bool {
        let text = sql.to_ascii_lowercase();
        self != Self::Clean
            || words(&text).flat_map(|word| parts(word.text)).any(|part| SEQUENCES.contains(&part))
    }
}

/// The names between the dots of a name, without their quotes.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split('.').map(|part| part.trim_matches('"'))
}

fn is_harmless(name: &str) -> bool {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    SYNTAX.contains(&name) || HARMLESS.contains(&name)
}

/// A name or keyword, wherever it stands: inside of literals and comments, too, where it does no harm.
struct Word<'a> {
    text: &'a str,
    /// A parenthesis follows, or a comment that may hide one.
    calls: bool,
}

fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
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
fn first_word(sql: &str) -> (&str, &str) {
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
fn after_comment(text: &str) -> &str {
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

#[cfg(test)]
mod tests {
    use super::{Direction, Kind, first_word};

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
    fn what_may_stay_in_the_session_is_known_for_it() {
        let cases = [
            ("select * from t", Kind::Clean),
            ("SELECT count(*) FROM t WHERE a IN (1, 2) AND lower(b) = $1", Kind::Clean),
            ("insert into templates (a, b) values ($1, $2) on conflict (a) do nothing", Kind::Clean),
            ("insert into \"T\" (a) values (1) returning a", Kind::Clean),
            ("with x as (select 1) update t set a = 1", Kind::Clean),
            ("select * from advisory_notes", Kind::Clean),
            ("select pg_catalog.now()", Kind::Clean),
            ("show search_path", Kind::Clean),
            ("select set_config('a.b', 'c', false)", Kind::Soiling),
            ("select PG_ADVISORY_LOCK(1)", Kind::Soiling),
            ("select tenant('alice')", Kind::Soiling),
            ("select acme.now()", Kind::Soiling),
            ("select tenant /* */ ('alice')", Kind::Soiling),
            ("select \"tenant\"('alice')", Kind::Soiling),
            ("select u&\"\\0074enant\" ('alice')", Kind::Soiling),
            ("select '/*', tenant('x') --*/", Kind::Soiling),
            ("select 1 into temp x", Kind::Soiling),
            ("set search_path to x", Kind::Soiling),
            ("do $$ begin end $$", Kind::Soiling),
            ("create table x ()", Kind::Soiling),
            ("prepare a as select 1", Kind::Soiling),
            ("prepare /**/ transaction 'a'", Kind::Control),
            ("/* */ BEGIN", Kind::Control),
            ("select currval('s'), set_config('a.b', 'x', false)", Kind::Soiling),
            ("select 'lastval', pg_advisory_lock(1)", Kind::Soiling),
            ("select 'into', set_config('a.b', 'x', false)", Kind::Soiling),
            ("select /*into*/ pg_advisory_lock(1)", Kind::Soiling),
            ("insert into t select * from /*into*/ tenant('a')", Kind::Soiling),
            ("insert /* into */ into tenant (a) values (1)", Kind::Soiling),
            ("select 1 as a into pg_temp.leak", Kind::Soiling),
            ("select 1 as a into \"pg_temp_3\".leak", Kind::Soiling),
            ("copy t from stdin", Kind::Copy),
        ];
        for (sql, kind) in cases {
            assert_eq!(Kind::of(sql), kind, "{sql}");
        }
    }
}
