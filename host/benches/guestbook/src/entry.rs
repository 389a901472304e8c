//! Entries: their rules, and the statements that store and find them.

use chrono::{DateTime, Utc};
use deadpool_postgres::{GenericClient, Pool};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Error, Row};

use crate::problem::Problem;

/// Characters in a name, at most; the migration checks the same.
const NAME: usize = 60;
/// Characters in a message, at most; the migration checks the same.
const MESSAGE: usize = 1000;

/// An entry as readers see it.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    pub(crate) author: String,
    pub(crate) message: String,
    pub(crate) created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Entry {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.try_get("id")?,
            author: row.try_get("author")?,
            message: row.try_get("message")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// An author and how often they signed.
#[derive(Debug, Serialize)]
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
pub(crate) async fn latest(db: &impl GenericClient, count: i64) -> Result<Vec<Entry>, Error> {
    let statement = db
        .prepare_cached(
            "select e.id, a.name as author, e.message, e.created_at
             from entries e join authors a on a.id = e.author_id
             order by e.id desc limit $1",
        )
        .await?;
    db.query(&statement, &[&count]).await?.into_iter().map(Entry::try_from).collect()
}

/// One entry.
pub(crate) async fn find(db: &impl GenericClient, id: i64) -> Result<Entry, Problem> {
    let statement = db
        .prepare_cached(
            "select e.id, a.name as author, e.message, e.created_at
             from entries e join authors a on a.id = e.author_id where e.id = $1",
        )
        .await?;
    let found = db.query_opt(&statement, &[&id]).await?.ok_or(Problem::NotFound("entry"))?;
    Ok(found.try_into()?)
}

/// Stores an entry and counts it for its author: both or neither.
pub(crate) async fn add(pool: &Pool, draft: &Draft) -> Result<Entry, Problem> {
    let draft = draft.check()?;
    let mut client = pool.get().await?;
    let tx = client.transaction().await?;
    let statement = tx
        .prepare_cached(
            "insert into authors (name, entries) values ($1, 1)
             on conflict (name) do update set entries = authors.entries + 1 returning id",
        )
        .await?;
    let author: i64 = tx.query_one(&statement, &[&draft.author]).await?.try_get("id")?;
    let statement =
        tx.prepare_cached("insert into entries (author_id, message) values ($1, $2) returning id").await?;
    let id: i64 = tx.query_one(&statement, &[&author, &draft.message]).await?.try_get("id")?;
    let entry = find(&tx, id).await?;
    tx.commit().await?;
    Ok(entry)
}

/// Deletes an entry and takes it off its author's count: both or neither.
pub(crate) async fn remove(pool: &Pool, id: i64) -> Result<(), Problem> {
    let mut client = pool.get().await?;
    let tx = client.transaction().await?;
    let statement = tx.prepare_cached("delete from entries where id = $1 returning author_id").await?;
    let deleted = tx.query_opt(&statement, &[&id]).await?.ok_or(Problem::NotFound("entry"))?;
    let author: i64 = deleted.try_get("author_id")?;
    let statement = tx.prepare_cached("update authors set entries = entries - 1 where id = $1").await?;
    tx.execute(&statement, &[&author]).await?;
    Ok(tx.commit().await?)
}

/// How often somebody signed.
pub(crate) async fn author(db: &impl GenericClient, name: &str) -> Result<Author, Problem> {
    let statement = db.prepare_cached("select name, entries from authors where name = $1").await?;
    let found = db.query_opt(&statement, &[&name]).await?.ok_or(Problem::NotFound("author"))?;
    Ok(Author { name: found.try_get("name")?, entries: found.try_get("entries")? })
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
