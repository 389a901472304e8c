use http::StatusCode;
use wharf_host::{Artifact, Manifest, Migration, chain};

use crate::support::{Database, artifact, builder, get, host, serve};

async fn refusal(artifact: Artifact) -> String {
    let host = host("faults").await;
    let error = chain(&host.load(artifact).await.unwrap_err());
    assert_eq!(get(&host, "/fine").await.status, StatusCode::OK, "the old release serves on");
    error
}

fn component(bytes: impl Into<bytes::Bytes>) -> Artifact {
    Artifact {
        manifest: Manifest::minimal("x").unwrap(),
        component: bytes.into(),
        migrations: Vec::new(),
        statements: Vec::new(),
        files: std::collections::BTreeMap::new(),
    }
}

/// A component whose handler takes and gives nothing, with what else is asked for before and behind it.
fn odd_handler(imports: &str, exports: &str) -> Artifact {
    let text = format!(
        r#"(component {imports}
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $e (export "handle" (func $f)))
        (export "wharf:platform/http-handler@0.1.0" (instance $e)) {exports})"#
    );
    component(wat::parse_str(text).unwrap())
}

#[tokio::test]
async fn files_that_are_no_component_are_refused_by_what_they_are() {
    for (bytes, words) in [
        (&b""[..], "the file is empty"),
        (b"(component)", "this is text"),
        (b"\0asm\x01\0\0\0", "this is a core module"),
        (b"\0asm\x0d\0\x01\0\xff\xff", "not valid"),
        (b"\x7fELF", "precompiled"),
    ] {
        let error = refusal(component(bytes)).await;
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_truncated_or_corrupted_component_is_refused() {
    let whole = artifact("http").component;
    let error = refusal(component(whole.slice(..whole.len() / 2))).await;
    assert!(error.contains("not valid"), "{error}");
    let mut corrupt = whole.to_vec();
    corrupt[whole.len() / 2..][..64].fill(0xff);
    refusal(component(corrupt)).await;
}

#[tokio::test]
async fn a_component_without_a_handler_is_told_what_it_exports() {
    let error = refusal(component(wat::parse_str("(component)").unwrap())).await;
    assert!(
        error.contains("exports none of `wharf:platform/http-handler@0.1.0`") && error.contains("nothing"),
        "{error}"
    );
}

#[tokio::test]
async fn a_handler_of_another_type_is_refused_at_load() {
    let error = refusal(odd_handler("", "")).await;
    assert!(error.contains("does not fit this host"), "{error}");
}

#[tokio::test]
async fn an_import_that_the_host_does_not_have_is_named() {
    let import = r#"(import "acme:shop/till@1.0.0" (instance (export "ring" (func))))"#;
    let error = refusal(odd_handler(import, "")).await;
    assert!(error.contains("imports `acme:shop/till@1.0.0`, which is not available"), "{error}");
}

#[tokio::test]
async fn grants_and_limits_that_the_host_cannot_give_are_refused() {
    let mut greedy = artifact("http");
    greedy.manifest.limits.memory = wharf_host::ByteSize::mib(513);
    let error = refusal(greedy).await;
    assert!(error.contains("`limits.memory` is 513MiB, but this host gives at most 512MiB"), "{error}");
    let mut unknown = artifact("http");
    unknown.manifest.grants.pg = vec!["nowhere".to_owned()];
    let error = refusal(unknown).await;
    assert!(error.contains("`pg.nowhere` names nothing on this host; give its address with"), "{error}");
}

#[tokio::test]
async fn an_import_without_a_grant_is_a_warning() {
    let host = builder().build().unwrap();
    let mut ungranted = artifact("kv");
    ungranted.manifest.grants.kv.clear();
    let release = host.load(ungranted).await.unwrap();
    assert!(release.warnings().iter().any(|w| w.contains("needs a `kv` grant")), "{:?}", release.warnings());
}

#[tokio::test]
async fn conflicting_routes_name_both_services_and_change_nothing() {
    let host = host("faults").await;
    let error = chain(&host.load(artifact("http")).await.unwrap_err());
    assert!(error.contains("contract-http") && error.contains("contract-faults"), "{error}");
    assert_eq!(get(&host, "/fine").await.text, "fine");
}

fn migrating(files: &[(&str, &str)]) -> Artifact {
    let mut artifact = artifact("pg-client");
    artifact.migrations = files
        .iter()
        .map(|(name, sql)| Migration { name: (*name).to_owned(), sql: (*sql).to_owned() })
        .collect();
    artifact
}

#[tokio::test]
async fn migrations_apply_once_and_in_order() {
    let database = Database::start().await;
    let first = ("0001_a.sql", "create table m (n int); insert into m values (1);");
    let second = ("0002_b.sql", "insert into m values (2);");
    for (files, rows) in [(vec![first], 1), (vec![first], 1), (vec![first, second], 2)] {
        let host = database.builder().build().unwrap();
        host.load(migrating(&files)).await.unwrap();
        assert_eq!(database.count("select count(*) from m").await, rows);
    }
}

#[tokio::test]
async fn two_hosts_that_migrate_at_once_apply_a_file_once() {
    let database = Database::start().await;
    let files = [("0001_a.sql", "create table m (n int); select pg_sleep(0.2); insert into m values (1);")];
    let (one, two) = (database.builder().build().unwrap(), database.builder().build().unwrap());
    let (one, two) = tokio::join!(one.load(migrating(&files)), two.load(migrating(&files)));
    one.unwrap();
    two.unwrap();
    assert_eq!(database.count("select count(*) from m").await, 1);
}

#[tokio::test]
async fn a_failing_migration_says_where_and_leaves_nothing() {
    let database = Database::start().await;
    let host = database.builder().build().unwrap();
    let files = [("0001_a.sql", "create table m (n int);\ninsert into m\nvalues (nonsense);")];
    let error = chain(&host.load(migrating(&files)).await.unwrap_err());
    assert!(
        error.contains("migration `0001_a.sql` failed at line 3") && error.contains("nonsense"),
        "{error}"
    );
    assert_eq!(database.count("select count(*) from pg_class where relname = 'm'").await, 0);
}

#[tokio::test]
async fn a_migration_that_was_edited_after_it_applied_is_refused() {
    let database = Database::start().await;
    let host = database.builder().build().unwrap();
    host.load(migrating(&[("0001_a.sql", "select 1")])).await.unwrap();
    let error = chain(&host.load(migrating(&[("0001_a.sql", "select 2")])).await.unwrap_err());
    assert!(error.contains("`0001_a.sql` was changed after it had been applied"), "{error}");
}

#[tokio::test]
async fn nothing_is_migrated_for_a_service_that_cannot_serve() {
    let database = Database::start().await;
    let host = database.builder().build().unwrap();
    serve(&host, artifact("faults")).await;
    let error = chain(&host.load(migrating(&[("0001_a.sql", "create table m (n int)")])).await.unwrap_err());
    assert!(error.contains("conflicts with"), "{error}");
    assert_eq!(database.count("select count(*) from pg_class where relname = 'm'").await, 0);
}

#[tokio::test]
async fn a_migration_that_sets_the_search_path_is_recorded_and_leaves_it_to_no_other() {
    let database = Database::start().await;
    let host = database.builder().build().unwrap();
    let dump = ("0001_dump.sql", "select pg_catalog.set_config('search_path', '', false); create schema s;");
    let files = [dump, ("0002_next.sql", "create table m (n int)")];
    host.load(migrating(&files)).await.unwrap();
    host.load(migrating(&files)).await.unwrap();
    assert_eq!(database.count("select count(*) from public.m").await, 0);
}

#[tokio::test]
async fn an_export_that_nobody_would_call_is_refused_by_name() {
    let exports = r#"(instance $g (export "open" (func $f))) (export "wharf:platform/websocket-handler@0.1.0" (instance $g))"#;
    let error = refusal(odd_handler("", exports)).await;
    assert!(
        error.contains("exports `wharf:platform/websocket-handler@0.1.0`, which is not available"),
        "{error}"
    );
}

#[tokio::test]
async fn an_unreachable_database_is_a_clear_error_in_bounded_time() {
    let host = builder().database("main", "postgres://nobody@127.0.0.1:1/none").build().unwrap();
    let begun = std::time::Instant::now();
    let error = chain(&host.load(migrating(&[("0001_a.sql", "select 1")])).await.unwrap_err());
    assert!(error.contains("failed to connect to database `main`"), "{error}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn a_malformed_address_is_refused_without_being_repeated() {
    let error = builder().database("main", "postgres://u:s3cret@[bad").build().unwrap_err();
    let text = chain(&error);
    assert!(text.contains("address of database `main`") && !text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn imports_without_a_grant_are_refused_where_the_manifest_is_strict() {
    let mut artifact = artifact("kv");
    artifact.manifest.grants.kv.clear();
    artifact.manifest.kv.clear();
    artifact.manifest.imports = Some(wharf_host::Imports::Strict);
    let error = refusal(artifact).await;
    assert!(error.contains("`imports = \"strict\"`, but it imports what needs a `kv` grant"), "{error}");
}

#[tokio::test]
async fn a_release_is_asked_whether_it_is_well_before_anybody_else_may() {
    let host = builder().build().unwrap();
    let mut artifact = artifact("faults");
    artifact.manifest.health = Some("/fine".to_owned());
    let release = host.load(artifact.clone()).await.unwrap();
    assert!(host.probe(&release).await.unwrap().is_some());
    assert_eq!(get(&host, "/fine").await.status, StatusCode::NOT_FOUND, "it is not published");

    artifact.manifest.health = Some("/panic".to_owned());
    let sick = host.load(artifact).await.unwrap();
    let error = chain(&host.probe(&sick).await.unwrap_err());
    assert!(
        error.contains("`GET /panic` (the manifest's `health`) is 500") && error.contains("guest-trap"),
        "{error}"
    );
    host.publish(release.clone()).unwrap();
    assert_eq!(get(&host, "/fine").await.status, StatusCode::OK);
    host.probe(&sick).await.unwrap_err();
    assert_eq!(get(&host, "/fine").await.status, StatusCode::OK, "whoever is published stays");
    assert!(host.releases().iter().all(|published| std::sync::Arc::ptr_eq(published, &release)));
}
