//! What is due, and why: histories as Databricks and the local workspace tell them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::health::{HealthReason, Known, TableHealth};
use super::ledger::{Note, Noted};
use super::policy::MaintenancePolicy;
use crate::detail::TableDetail;
use crate::history::Commit;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A moment so many hours after the table was created.
fn hour(hours: i64) -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(hours)
}

/// The commits of a table, of which each is an hour after the one before. Newest first, as a history is.
fn history(operations: &[&str]) -> Vec<Commit> {
    let commit = |(version, operation): (usize, &&str)| {
        let (operation, rest) = operation.split_once('|').unwrap_or((operation, ""));
        let pairs = |text: &str| -> BTreeMap<String, String> {
            let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
            pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        let version = i64::try_from(version).unwrap();
        Commit {
            version,
            timestamp: Some(hour(version)),
            operation: operation.trim().to_owned(),
            operation_parameters: pairs(rest),
            operation_metrics: pairs(rest),
            user_id: None,
            user_name: None,
            read_version: pairs(rest).get("read").map(|read| read.parse().unwrap()).or(Some(version - 1)),
            isolation_level: None,
            is_blind_append: pairs(rest).get("blind").map(|blind| blind == "true"),
            user_metadata: None,
            engine_info: None,
        }
    };
    let mut commits: Vec<_> = operations.iter().enumerate().map(commit).collect();
    commits.reverse();
    commits
}

fn detail(num_files: u64, size_in_bytes: u64) -> TableDetail {
    TableDetail {
        format: None,
        id: None,
        name: None,
        description: None,
        location: None,
        created_at: Some(hour(0)),
        last_modified: None,
        partition_columns: Vec::new(),
        clustering_columns: vec!["Day".to_owned()],
        num_files,
        size_in_bytes,
        properties: BTreeMap::new(),
        min_reader_version: None,
        min_writer_version: None,
        table_features: Vec::new(),
    }
}

fn health(operations: &[&str], policy: &MaintenancePolicy, now: i64) -> TableHealth {
    of(operations, &detail(3, 3 << 30), policy, now)
}

fn of(operations: &[&str], detail: &TableDetail, policy: &MaintenancePolicy, now: i64) -> TableHealth {
    let commits = history(operations);
    let noted = Noted::default();
    Known { table: "main.default.t".to_owned(), commits: &commits, detail, noted: &noted }
        .health(policy, hour(now))
}

#[test]
fn writes_count_from_the_last_optimize_of_the_whole_table_and_what_it_read() {
    let policy = MaintenancePolicy::manual().max_writes(2);
    for (operations, writes) in [
        (&["CREATE TABLE", "WRITE", "COPY INTO", "MERGE"][..], 3),
        (&["CREATE TABLE AS SELECT", "SET TBLPROPERTIES", "ADD COLUMNS"], 1),
        (&["WRITE", "WRITE", "WRITE", "OPTIMIZE|predicate=[]"], 0),
        (&["WRITE", "WRITE", "WRITE", "OPTIMIZE|predicate=[] auto=true"], 3),
        (&["WRITE", "WRITE", "WRITE", r#"OPTIMIZE|predicate=["day"]"#], 3),
        // What was written while it ran is not optimized.
        (&["WRITE", "WRITE", "DELETE", "OPTIMIZE|read=0", "UPDATE"], 3),
        (&["WRITE", "OPTIMIZE", "VACUUM START", "VACUUM END", "WRITE"], 1),
    ] {
        let health = health(operations, &policy, 100);
        assert_eq!(health.writes_since_optimize, writes, "{operations:?}");
        let expected: &[HealthReason] = match writes > 2 {
            true => &[HealthReason::ManyWrites { writes, limit: 2 }],
            false => &[],
        };
        assert_eq!(
            (health.reasons.as_slice(), health.needs_optimize),
            (expected, writes > 2),
            "{operations:?}"
        );
    }
}

#[test]
fn a_note_counts_unless_it_is_on_another_table_that_had_the_name() {
    let policy = MaintenancePolicy::manual().max_writes(1);
    let commits = history(&["CREATE TABLE", "WRITE", "WRITE", "WRITE"]);
    for (noted, writes) in [(2, 1), (3, 0), (500, 3)] {
        let noted = Noted { optimize: Note::done(noted, hour(-1)), ..Noted::default() };
        let detail = detail(3, 3 << 30);
        let known =
            Known { table: "main.default.t".to_owned(), commits: &commits, detail: &detail, noted: &noted };
        let health = known.health(&policy, hour(4));
        assert_eq!((health.writes_since_optimize, health.needs_optimize), (writes, writes > 1));
    }
}

#[test]
fn an_interval_counts_from_the_last_optimize_or_the_creation_and_only_when_there_are_writes() {
    let policy = MaintenancePolicy::manual().optimize_every(DAY);
    let due = |operations: &[&str], now| health(operations, &policy, now).needs_optimize;
    assert!(!due(&["CREATE TABLE", "WRITE"], 23));
    assert!(due(&["CREATE TABLE", "WRITE"], 24));
    assert!(!due(&["WRITE", "OPTIMIZE", "WRITE"], 24));
    assert!(due(&["WRITE", "OPTIMIZE", "WRITE"], 25));
    assert!(!due(&["WRITE", "OPTIMIZE"], 1_000));
    assert!(!due(&["CREATE TABLE"], 1_000));
}

#[test]
fn small_files_are_all_when_their_mean_is_small_else_those_written_since() {
    let policy = MaintenancePolicy::manual().max_small_files(3).small_file_bytes(1_000);
    let small = |operations: &[&str], files, bytes| of(operations, &detail(files, bytes), &policy, 1);
    let writes =
        ["WRITE|numFiles=1", "OPTIMIZE|numAddedFiles=9", "WRITE|numFiles=3", "MERGE|numTargetFilesAdded=1"];
    assert_eq!(small(&writes, 10, 9_999).small_files, 10);
    let since = small(&writes, 10, 10_000);
    assert_eq!(since.small_files, 4);
    assert_eq!(since.reasons, [HealthReason::ManySmallFiles { files: 4, limit: 3 }]);
    assert!(!small(&writes[..3], 10, 10_000).needs_optimize);
    assert!(!small(&writes[..2], 10, 10).needs_optimize, "nothing was written since");
    assert_eq!(small(&[], 0, 0).small_files, 0);
}

#[test]
fn another_clustering_is_due_at_once_and_names_match_without_case() {
    let clustered = |columns: &[&str]| {
        health(&["CREATE TABLE"], &MaintenancePolicy::manual().clustered_by(columns.to_vec()), 1)
    };
    assert!(!clustered(&["day"]).needs_optimize);
    let health = clustered(&["day", "id"]);
    assert!(health.needs_optimize && health.is_clustered_otherwise());
    assert_eq!(health.reasons[0].to_string(), "clustered by (Day), wanted is (day, id)");
}

#[test]
fn a_vacuum_is_due_for_files_that_left_before_the_retention_and_after_the_last_vacuum() {
    let policy = MaintenancePolicy::manual().vacuum_retention_hours(48).vacuum_every(DAY);
    let due = |operations: &[&str], now| health(operations, &policy, now).needs_vacuum;
    for (operations, now, expected) in [
        (&["WRITE|blind=true", "DELETE|numRemovedFiles=1"][..], 48, false),
        (&["WRITE|blind=true", "DELETE|numRemovedFiles=1"], 49, true),
        (&["WRITE|blind=true", "DELETE|numRemovedFiles=0"], 49, false),
        (&["WRITE|blind=true", "WRITE|blind=true"], 49, false),
        (&["WRITE|blind=true", "WRITE|blind=false"], 49, true),
        (&["WRITE", "OPTIMIZE|numRemovedFiles=4", "SET TBLPROPERTIES"], 49, true),
        // A VACUUM at 2 hours was too early for what left at 1 hour.
        (&["WRITE", "OPTIMIZE|numRemovedFiles=4", "VACUUM START", "VACUUM END|status=COMPLETED"], 49, true),
    ] {
        // The first WRITE of a history that does not say so may have removed files too.
        assert_eq!(due(operations, now), expected, "{operations:?} at {now}");
    }
    let mut vacuumed = vec!["WRITE|blind=true", "DELETE|numRemovedFiles=1"];
    vacuumed.resize(60, "SET TBLPROPERTIES");
    vacuumed.extend(["VACUUM START", "VACUUM END|status=COMPLETED"]);
    assert!(!due(&vacuumed, 200), "vacuumed at 60 hours");
    vacuumed.pop();
    vacuumed.push("VACUUM END|status=COMPLETED numDeletedFiles=1");
    assert!(!due(&vacuumed, 200), "what it deleted had left the table before");
    vacuumed.pop();
    assert!(due(&vacuumed, 200), "it was begun and not ended");
    vacuumed.push("VACUUM END|status=FAILED");
    assert!(due(&vacuumed, 200), "it failed");
}

#[test]
fn a_vacuum_waits_for_its_interval_and_goes_by_the_tables_own_retention() {
    let policy = MaintenancePolicy::manual().vacuum_every(DAY);
    let mut detail = detail(1, 1);
    let mut due = |retention: &str, now| {
        let property = ("delta.deletedFileRetentionDuration".to_owned(), retention.to_owned());
        detail.properties.extend([property]);
        of(&["CREATE TABLE", "DELETE|numRemovedFiles=1"], &detail, &policy, now).needs_vacuum
    };
    assert!(due("interval 2 days", 49) && !due("interval 2 days", 48));
    assert!(due("interval 1 week", 169) && !due("interval 1 week", 168));
    assert!(due("INTERVAL 60 MINUTES", 2) && !due("interval 60 minutes", 1));
    assert!(!due("for ever", 168) && due("for ever", 169), "what is not understood keeps the default");

    let often = [
        "CREATE TABLE",
        "DELETE|numRemovedFiles=1",
        "VACUUM START",
        "VACUUM END",
        "DELETE|numRemovedFiles=1",
    ];
    let hourly = MaintenancePolicy::manual().vacuum_every(DAY).vacuum_retention_hours(1);
    assert!(!health(&often, &hourly, 25).needs_vacuum);
    assert!(health(&often, &hourly, 26).needs_vacuum);
    assert!(!health(&often, &MaintenancePolicy::default(), 10_000).needs_vacuum, "unless asked for");
}

#[test]
fn reasons_are_sentences() {
    let policy = MaintenancePolicy::manual()
        .optimize_every(DAY)
        .max_writes(0)
        .max_small_files(1)
        .vacuum_retention_hours(0);
    let health = of(&["WRITE|blind=true", "DELETE|numRemovedFiles=1"], &detail(3, 30), &policy, 30);
    let reasons: Vec<_> = health.reasons.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(reasons.join("\n"));
}
