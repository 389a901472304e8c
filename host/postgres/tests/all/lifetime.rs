//! How a server starts, who it runs as, and that it ends with its owner.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use wharf_postgres::{Error, Options, PrivatePostgres};

use crate::support::{Parent, ask, eventually, hold_command, lives, reachable_folder, server_id};

fn signal(id: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(id).unwrap()), signal).unwrap();
}

#[tokio::test]
async fn it_starts_answers_and_is_gone_after_stop() {
    let root = reachable_folder();
    let folder = root.path().join("postgres");
    let postgres = PrivatePostgres::start(&folder).await.unwrap();
    let url = postgres.connection_url("postgres");
    assert_eq!(ask(&url, "show server_encoding").await.unwrap(), "UTF8");
    assert_eq!(ask(&url, "show fsync").await.unwrap(), "on");
    assert_eq!(ask(&url, "show listen_addresses").await.unwrap(), "");
    let id = postgres.process_id().unwrap();
    postgres.stop().await.unwrap();
    assert!(!lives(id));
    assert!(ask(&url, "select 'x'").await.is_err());
}

#[tokio::test]
async fn what_was_written_is_there_next_time() {
    let root = reachable_folder();
    let first = PrivatePostgres::start(root.path()).await.unwrap();
    first.create_database("kept").await.unwrap();
    drop(first);
    let second = PrivatePostgres::start(root.path()).await.unwrap();
    let name = ask(&second.connection_url("kept"), "select current_database()::text").await.unwrap();
    assert_eq!(name, "kept");
}

#[tokio::test]
async fn a_restarted_server_has_its_address_and_what_was_written() {
    for options in [Options::throwaway(), Options::throwaway().with_tcp()] {
        let postgres = PrivatePostgres::temporary_with(options).await.unwrap();
        postgres.create_database("kept").await.unwrap();
        let url = postgres.tcp_url("kept").unwrap_or_else(|| postgres.connection_url("kept"));
        let name = "select current_database()::text";
        assert_eq!(ask(&url, name).await.unwrap(), "kept");
        let down = async { assert!(ask(&url, name).await.is_err(), "the server did not stop") };
        let postgres = postgres.restart(down).await.unwrap();
        assert_eq!(ask(&url, name).await.unwrap(), "kept");
        let folder = postgres.folder().to_path_buf();
        drop(postgres);
        assert!(!folder.exists());
    }
}

#[tokio::test]
async fn it_never_runs_as_root_and_only_its_owner_reaches_it() {
    let postgres = PrivatePostgres::temporary().await.unwrap();
    let process = format!("/proc/{}", postgres.process_id().unwrap());
    assert_ne!(Path::new(&process).metadata().unwrap().uid(), 0);
    for folder in ["data", "socket"] {
        let mode = postgres.folder().join(folder).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
}

#[tokio::test]
async fn a_temporary_server_leaves_no_folder() {
    let postgres = PrivatePostgres::temporary().await.unwrap();
    let folder = postgres.folder().to_path_buf();
    assert_eq!(ask(&postgres.connection_url("postgres"), "show fsync").await.unwrap(), "off");
    drop(postgres);
    assert!(!folder.exists());
}

#[tokio::test]
async fn two_folders_have_two_servers_at_once() {
    let one = PrivatePostgres::temporary().await.unwrap();
    let other = PrivatePostgres::temporary().await.unwrap();
    one.create_database("mine").await.unwrap();
    assert!(ask(&one.connection_url("mine"), "select 'x'").await.is_ok());
    assert!(ask(&other.connection_url("mine"), "select 'x'").await.is_err());
}

#[tokio::test]
async fn a_folder_in_use_is_refused_with_the_owner_s_process_id() {
    let root = reachable_folder();
    let parent = Parent::hold(root.path());
    let error = PrivatePostgres::start(root.path()).await.unwrap_err();
    assert!(matches!(error, Error::InUse { holder, .. } if holder == Some(parent.id())), "{error}");
    assert!(ask(&parent.url, "select 'still there'").await.is_ok());
    parent.finish();
}

#[tokio::test]
async fn the_server_ends_when_its_parent_is_killed() {
    let root = reachable_folder();
    let parent = Parent::hold(root.path());
    let server = server_id(root.path()).unwrap();
    assert!(lives(server));
    parent.kill();
    eventually("the server ended with its parent", || !lives(server));
}

#[tokio::test]
async fn a_start_right_after_the_parent_was_killed_succeeds() {
    let root = reachable_folder();
    let parent = Parent::hold(root.path());
    let old = server_id(root.path()).unwrap();
    parent.kill();
    let postgres = PrivatePostgres::start(root.path()).await.unwrap();
    assert!(ask(&postgres.connection_url("postgres"), "select 'x'").await.is_ok());
    assert!(!lives(old));
}

#[tokio::test]
async fn an_orphan_whose_watchdog_was_killed_too_is_stopped_first() {
    let root = reachable_folder();
    let parent = Parent::hold(root.path());
    let old = server_id(root.path()).unwrap();
    signal(watchdog_of(old), Signal::SIGKILL);
    parent.kill();
    assert!(lives(old));
    let postgres = PrivatePostgres::start(root.path()).await.unwrap();
    assert!(!lives(old));
    assert_ne!(postgres.process_id(), Some(old));
}

#[tokio::test]
async fn stop_works_without_the_watchdog() {
    let postgres = PrivatePostgres::temporary().await.unwrap();
    let server = postgres.process_id().unwrap();
    signal(watchdog_of(server), Signal::SIGKILL);
    postgres.stop().await.unwrap();
    assert!(!lives(server));
}

#[tokio::test]
async fn a_server_that_was_killed_recovers_at_the_next_start() {
    let root = reachable_folder();
    let first = PrivatePostgres::start(root.path()).await.unwrap();
    first.create_database("kept").await.unwrap();
    let server = first.process_id().unwrap();
    signal(server, Signal::SIGKILL);
    eventually("the server was killed", || !lives(server));
    drop(first);
    assert!(server_id(root.path()).is_some(), "there is a stale process file");
    let second = PrivatePostgres::start(root.path()).await.unwrap();
    assert!(ask(&second.connection_url("kept"), "select 'x'").await.is_ok());
}

#[tokio::test]
async fn an_interrupted_initdb_is_made_again() {
    let root = reachable_folder();
    std::fs::create_dir_all(root.path().join("data.new/base")).unwrap();
    std::fs::write(root.path().join("data.new/PG_VERSION"), "15\n").unwrap();
    PrivatePostgres::start(root.path()).await.unwrap();
}

#[tokio::test]
async fn a_cluster_of_another_version_is_named() {
    let root = reachable_folder();
    std::fs::create_dir(root.path().join("data")).unwrap();
    std::fs::write(root.path().join("data/PG_VERSION"), "8\n").unwrap();
    let error = PrivatePostgres::start(root.path()).await.unwrap_err().to_string();
    assert!(error.contains("made by PostgreSQL 8"), "{error}");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_works() {
    let root = reachable_folder();
    let folder = root.path().join("long".repeat(30));
    let postgres = PrivatePostgres::start(&folder).await.unwrap();
    assert!(ask(&postgres.connection_url("postgres"), "select 'x'").await.is_ok());
}

#[tokio::test]
async fn a_folder_that_the_account_cannot_reach_is_replaced() {
    let root = reachable_folder();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let asked = root.path().join("postgres");
    let postgres = PrivatePostgres::start(&asked).await.unwrap();
    if Uid::effective().is_root() {
        assert_eq!(postgres.moved_from(), Some(asked.as_path()));
        assert!(postgres.folder().starts_with("/var/tmp"), "{:?}", postgres.folder());
        let used = postgres.folder().to_path_buf();
        drop(postgres);
        std::fs::remove_dir_all(used).unwrap();
    } else {
        assert_eq!(postgres.moved_from(), None);
    }
}

#[tokio::test]
async fn tcp_is_there_only_when_asked_for() {
    let postgres = PrivatePostgres::temporary_with(Options::throwaway().with_tcp()).await.unwrap();
    let url = postgres.tcp_url("postgres").unwrap();
    assert_eq!(ask(&url, "show listen_addresses").await.unwrap(), "127.0.0.1");
    assert!(ask(&postgres.connection_url("postgres"), "select 'x'").await.is_ok());
}

#[test]
fn a_wrong_override_is_named() {
    let root = reachable_folder();
    let output = hold_command(root.path()).env("WHARF_PG_BIN", "/nowhere").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && message.contains("WHARF_PG_BIN is `/nowhere`"), "{message}");
}

/// The parent of the server.
fn watchdog_of(server: u32) -> u32 {
    let output = Command::new("/bin/sh")
        .args([
            "-c",
            r#"while read -r key value; do [ "$key" = PPid: ] && echo "$value"; done < "/proc/$1/status""#,
        ])
        .args(["sh", &server.to_string()])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}
