//! Databases: made once, copied, dropped, with any name.

use wharf_postgres::PrivatePostgres;

use crate::support::ask;

#[tokio::test]
async fn databases_are_made_once_copied_and_dropped() {
    let postgres = PrivatePostgres::temporary().await.unwrap();
    for name in ["plain", "with \"quotes\" and / and ü"] {
        postgres.create_database(name).await.unwrap();
        postgres.create_database(name).await.unwrap();
        let url = postgres.connection_url(name);
        assert_eq!(ask(&url, "select current_database()::text").await.unwrap(), name);
    }
    let url = postgres.connection_url("plain");
    let (client, driver) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(driver);
    client.batch_execute("create table t as select 'copied'::text as value").await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();

    postgres.create_database_from_template("copy", "plain").await.unwrap();
    assert_eq!(ask(&postgres.connection_url("copy"), "select value from t").await.unwrap(), "copied");

    postgres.drop_database("copy").await.unwrap();
    postgres.drop_database("copy").await.unwrap();
    assert!(ask(&postgres.connection_url("copy"), "select 'x'").await.is_err());
}

#[tokio::test]
async fn many_at_once_make_the_same_database() {
    let postgres = std::sync::Arc::new(PrivatePostgres::temporary().await.unwrap());
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let postgres = std::sync::Arc::clone(&postgres);
            tokio::spawn(async move { postgres.create_database("same").await })
        })
        .collect();
    for attempt in attempts {
        attempt.await.unwrap().unwrap();
    }
}
