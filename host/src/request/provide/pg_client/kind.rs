//! What a statement does to the session that runs it, told from its text.
//!
//! The driver hides what the server says about the state of a session, so the text decides, and every doubt
//! counts against it. A statement is *clean* when its first word is that of a query or a change of
//! rows and every function that it calls is known to leave nothing behind. Anything else soils the session: its
//! connection is reset before another request gets it. What a text cannot show is what triggers, operators
//! and casts of the user's own do: one of those that changes the session is found by no one.

mod copy;
mod names;

use crate::sql_text::{Word, first_word, parts, words};

pub(super) use copy::Direction;
use names::{CONTROL, HARMLESS, QUERIES, SEQUENCES, SYNTAX};

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

fn is_harmless(name: &str) -> bool {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    SYNTAX.contains(&name) || HARMLESS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::Kind;

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
