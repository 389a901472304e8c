use wharf_host::{Artifact, StatementFile, chain};

use crate::support::{Database, artifact, get, serve};

/// The guest `faults`, which says nothing of SQL itself, with a file of statements.
fn with_statements(sql: &str) -> Artifact {
    let mut artifact = artifact("faults");
    artifact.manifest.grants.pg = vec!["main".to_owned()];
    artifact.statements = vec![StatementFile { name: "queries.sql".to_owned(), sql: sql.to_owned() }];
    artifact
}

/// The same with a section such as `sql!` writes behind the component.
fn with_section(lines: &str) -> Artifact {
    const NAME: &[u8] = b"wharf:sql";
    let mut artifact = with_statements("");
    let mut bytes = artifact.component.to_vec();
    bytes.push(0);
    leb128(&mut bytes, 1 + NAME.len() + lines.len());
    leb128(&mut bytes, NAME.len());
    bytes.extend_from_slice(NAME);
    bytes.extend_from_slice(lines.as_bytes());
    artifact.component = bytes.into();
    artifact
}

fn leb128(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
}

async fn database() -> Database {
    let database = Database::start().await;
    let schema = "create table posts (id bigint primary key, title text not null, tags text[])";
    database.watcher.batch_execute(schema).await.unwrap();
    database
}

#[tokio::test]
async fn statements_that_fit_are_no_obstacle() {
    let database = database().await;
    let host = database.builder().build().unwrap();
    let sql = "select title from posts where id = $1;\ninsert into posts (id, title) values ($1, $2);\n
        copy posts to stdout; -- and a comment";
    serve(&host, with_statements(sql)).await;
    assert_eq!(database.count("select count(*) from posts").await, 0, "nothing was run");
}

#[tokio::test]
async fn a_statement_that_would_fail_keeps_the_old_release_serving() {
    let database = database().await;
    let host = database.builder().build().unwrap();
    serve(&host, artifact("faults")).await;
    for (sql, words) in [
        ("select 1;\n\nselect titel from posts", "queries.sql:3: column \"titel\" does not exist"),
        ("select * from post", "relation \"post\" does not exist"),
        ("insert into posts values ($1, $2, $3, $4)", "INSERT has more expressions than target columns"),
        ("select 1 from posts where id = $1::text", "operator does not exist: bigint = text"),
        ("selec 1", "syntax error at or near \"selec\""),
    ] {
        let error = chain(&host.load(with_statements(sql)).await.unwrap_err());
        assert!(error.contains(words), "{error}");
        assert!(error.contains("would fail in database `main`"), "{error}");
    }
    assert_eq!(get(&host, "/fine").await.status, 200, "the old release serves on");
}

#[tokio::test]
async fn every_statement_that_would_fail_is_named_with_its_place() {
    let database = database().await;
    let host = database.builder().build().unwrap();
    let error = chain(&host.load(with_statements("select a;\nselect 1;\nselect b;\n")).await.unwrap_err());
    assert!(error.contains("2 of 3 statements"), "{error}");
    assert!(error.contains("queries.sql:1:") && error.contains("queries.sql:3:"), "{error}");
    assert!(error.contains("    select b\n           ^"), "the place is marked: {error}");
}

#[tokio::test]
async fn what_a_component_says_of_its_parameters_is_compared() {
    let database = database().await;
    let host = database.builder().build().unwrap();
    let line = |params: &str| {
        format!(
            r#"{{"database":null,"sql":"select 1 from posts where id = $1 and tags = $2","params":{params},"file":"src/lib.rs","line":7}}"#
        ) + "\n"
    };
    for (params, words) in [
        (r#"["int8"]"#, "src/lib.rs:7: the statement has 2 parameters, but 1 are given"),
        (r#"["boolean","text[]"]"#, "parameter $1 is of type int8: a boolean was given"),
        (r#"["any","int4"]"#, "parameter $2 is of type _text: an integer was given"),
    ] {
        let error = chain(&host.load(with_section(&line(params))).await.unwrap_err());
        assert!(error.contains(words), "{error}");
    }
    host.load(with_section(&line(r#"["int4","text[]"]"#))).await.unwrap();
    let broken = chain(&host.load(with_section("{}")).await.unwrap_err());
    assert!(broken.contains("the section `wharf:sql` of the component is not valid"), "{broken}");
}

#[tokio::test]
async fn a_database_that_cannot_be_asked_is_named() {
    let database = database().await;
    let host = database.builder().database("main", "postgres://nobody@127.0.0.1:1/none").build().unwrap();
    let error = chain(&host.load(with_statements("select 1")).await.unwrap_err());
    assert!(error.contains("failed to ask database `main`"), "{error}");
    let mut ungranted = with_statements("select 1");
    ungranted.manifest.grants.pg.clear();
    let error = chain(&host.load(ungranted).await.unwrap_err());
    assert!(error.contains("queries.sql:1") && error.contains("grants.pg"), "{error}");
}
