//! Entries: their rules, and the statements that store and find them.

use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use wharf_guest::{
    FromRow, PgClient, Result,
    pg::{Queries, Timestamp},
    sql,
};

/// Characters in a name, at most; the migration checks the same.
const NAME: usize = 60;
/// Characters in a message, at most; the migration checks the same.
const MESSAGE: usize = 1000;

/// An entry as readers see it.
#[derive(Debug, Serialize, FromRow)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    pub(crate) author: String,
    pub(crate) message: String,
    pub(crate) created_at: Timestamp,
}

/// An author and how often they signed.
#[derive(Debug, Serialize, FromRow)]
pub(crate) struct Author {
    pub(crate) name: String,
    pub(crate) entries: i32,
}

/// What somebody wants to write, as it came.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Draft {
    #[serde(default)]
    pub(crate) author: String,
    #[serde(default)]
    pub(crate) message: String,
}

impl Draft {
    /// The same without white space around it, if it keeps the rules.
    fn check(&self) -> Result<Self, Problem> {
        let author = within(&self.author, "author", NAME)?;
        let message = within(&self.message, "message", MESSAGE)?;
        Ok(Self { author, message })
    }
}

fn within(text: &str, field: &'static str, most: usize) -> Result<String, Problem> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(Problem::Invalid { field, message: "must not be empty".to_owned() }),
        // Postgres keeps no zero bytes in text.
        _ if text.contains('\0') => {
            Err(Problem::Invalid { field, message: "must not contain NUL".to_owned() })
        }
        count if count > most => Err(Problem::Invalid {
            field,
            message: format!("has {count} characters; at most {most} are allowed"),
        }),
        _ => Ok(text.to_owned()),
    }
}

/// The latest entries, newest first.
pub(crate) fn latest(db: &impl Queries, count: i64) -> Result<Vec<Entry>> {
    sql!(
        "select e.id, a.name as author, e.message, e.created_at
         from entries e join authors a on a.id = e.author_id
         order by e.id desc limit $1",
        count as i64
    )
    .query_as(db)
}

/// One entry.
pub(crate) fn find(db: &impl Queries, id: i64) -> Result<Entry, Problem> {
    let found = sql!(
        "select e.id, a.name as author, e.message, e.created_at
         from entries e join authors a on a.id = e.author_id where e.id = $1",
        id as i64
    );
    found.query_opt_as(db)?.ok_or(Problem::NotFound("entry"))
}

/// Stores an entry and counts it for its author: both or neither.
pub(crate) fn add(pg: &PgClient, draft: &Draft) -> Result<Entry, Problem> {
    let draft = draft.check()?;
    pg.transaction(|tx| {
        let author = sql!(
            "insert into authors (name, entries) values ($1, 1)
             on conflict (name) do update set entries = authors.entries + 1 returning id",
            draft.author as String
        );
        let author: i64 = author.query_value(tx)?;
        let entry = sql!(
            "insert into entries (author_id, message) values ($1, $2) returning id",
            author as i64,
            draft.message as String
        );
        find(tx, entry.query_value(tx)?)
    })
}

/// Deletes an entry and takes it off its author's count: both or neither.
pub(crate) fn remove(pg: &PgClient, id: i64) -> Result<(), Problem> {
    pg.transaction(|tx| {
        let deleted =
            sql!("delete from entries where id = $1 returning author_id", id as i64).query_opt(tx)?;
        let author: i64 = deleted.ok_or(Problem::NotFound("entry"))?.get("author_id")?;
        sql!("update authors set entries = entries - 1 where id = $1", author as i64).execute(tx)?;
        Ok(())
    })
}

/// How often somebody signed.
pub(crate) fn author(db: &impl Queries, name: &str) -> Result<Author, Problem> {
    let found = sql!("select name, entries from authors where name = $1", name as &str).query_opt_as(db)?;
    found.ok_or(Problem::NotFound("author"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(author: &str, message: &str) -> Draft {
        Draft { author: author.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn white_space_around_a_draft_is_dropped() {
        let draft = draft(" Ada ", "\nhello\n").check().unwrap();
        assert_eq!((draft.author.as_str(), draft.message.as_str()), ("Ada", "hello"));
    }

    #[test]
    fn a_draft_against_the_rules_names_its_field() {
        let field = |draft: Draft| match draft.check() {
            Err(Problem::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(draft("  ", "hello")), "author");
        assert_eq!(field(draft("Ada", "")), "message");
        assert_eq!(field(draft(&"a".repeat(61), "hello")), "author");
        assert_eq!(field(draft("Ada", "a\0b")), "message");
        assert!(draft(&"é".repeat(60), "hello").check().is_ok(), "characters count, not bytes");
    }
}
