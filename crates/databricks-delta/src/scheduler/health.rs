//! How a table is: a function of its history, its detail, and what schedulers noted.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::ledger::Noted;
use super::policy::MaintenancePolicy;
use crate::detail::TableDetail;
use crate::history::Commit;

/// Operations that write rows.
const WRITES: [&str; 14] = [
    "WRITE",
    "INSERT",
    "COPY INTO",
    "MERGE",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "STREAMING UPDATE",
    "RESTORE",
    "CLONE",
    "CREATE TABLE AS SELECT",
    "CREATE OR REPLACE TABLE AS SELECT",
    "REPLACE TABLE AS SELECT",
    "CONVERT",
];
/// Metrics that count the files an operation took out of its table.
const FILES_REMOVED: [&str; 2] = ["numRemovedFiles", "numTargetFilesRemoved"];
/// Metrics that count the files an operation wrote.
const FILES_ADDED: [&str; 3] = ["numFiles", "numAddedFiles", "numTargetFilesAdded"];
const RETENTION: &str = "delta.deletedFileRetentionDuration";
const DEFAULT_RETENTION: TimeDelta = TimeDelta::days(7);

/// How a table is, and what it needs by its policy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableHealth {
    /// The table's full name.
    pub table: String,
    /// Its newest version.
    pub version: i64,
    /// Bytes of that version.
    pub size_bytes: u64,
    /// Files of that version.
    pub num_files: u64,
    /// Of these, those that are small: all when their mean is, else those written since the last OPTIMIZE.
    pub small_files: u64,
    /// Commits that wrote rows since the last OPTIMIZE of the whole table. The newest 1,000 commits are looked at.
    pub writes_since_optimize: u64,
    /// When the whole table was last optimized.
    pub last_optimize: Option<DateTime<Utc>>,
    /// When it was last vacuumed.
    pub last_vacuum: Option<DateTime<Utc>>,
    /// Whether an OPTIMIZE is due.
    pub needs_optimize: bool,
    /// Whether a VACUUM is due.
    pub needs_vacuum: bool,
    /// Why.
    pub reasons: Vec<HealthReason>,
}

impl TableHealth {
    /// Whether its clustering has to be changed.
    pub(super) fn is_clustered_otherwise(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason, HealthReason::ClusteredOtherwise { .. }))
    }
}

/// Why a table needs care. Its text is a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthReason {
    /// The last OPTIMIZE is longer ago than the policy allows.
    OptimizeOverdue {
        /// When it was; else when the table was created.
        last: DateTime<Utc>,
        /// How often the policy wants it.
        every: Duration,
    },
    /// More writes since the last OPTIMIZE than the policy allows.
    ManyWrites {
        /// Writes since then.
        writes: u64,
        /// The most that are allowed.
        limit: u64,
    },
    /// More small files than the policy allows.
    ManySmallFiles {
        /// Small files.
        files: u64,
        /// The most that are allowed.
        limit: u64,
    },
    /// The table is not clustered by the columns of its policy.
    ClusteredOtherwise {
        /// The policy's columns.
        wanted: Vec<String>,
        /// The table's.
        found: Vec<String>,
    },
    /// Files that left the table longer ago than the retention have not been vacuumed.
    FilesToVacuum {
        /// When the first of them did.
        removed: DateTime<Utc>,
    },
}

impl HealthReason {
    /// Whether it is a VACUUM that it asks for, and no OPTIMIZE.
    pub fn is_for_vacuum(&self) -> bool {
        matches!(self, Self::FilesToVacuum { .. })
    }
}

impl fmt::Display for HealthReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OptimizeOverdue { last, every } => {
                write!(f, "the last OPTIMIZE was at {}, one is due every {every:?}", last.format("%FT%TZ"))
            }
            Self::ManyWrites { writes, limit } => {
                write!(f, "{writes} writes since the last OPTIMIZE, at most {limit} are wanted")
            }
            Self::ManySmallFiles { files, limit } => {
                write!(f, "{files} small files, at most {limit} are wanted")
            }
            Self::ClusteredOtherwise { wanted, found } => {
                write!(f, "clustered by ({}), wanted is ({})", found.join(", "), wanted.join(", "))
            }
            Self::FilesToVacuum { removed } => {
                write!(f, "files that left the table at {} can be removed", removed.format("%FT%TZ"))
            }
        }
    }
}

/// What is known of a table.
pub(super) struct Known<'a> {
    pub(super) table: String,
    /// The newest commits, newest first.
    pub(super) commits: &'a [Commit],
    pub(super) detail: &'a TableDetail,
    pub(super) noted: &'a Noted,
}

impl Known<'_> {
    pub(super) fn health(self, policy: &MaintenancePolicy, now: DateTime<Utc>) -> TableHealth {
        let mut reasons = self.reasons_to_optimize(policy, now);
        reasons.extend(self.reason_to_vacuum(policy, now));
        TableHealth {
            version: self.version(),
            size_bytes: self.detail.size_in_bytes,
            num_files: self.detail.num_files,
            small_files: self.small_files(policy.small_file_bytes),
            writes_since_optimize: self.writes_since_optimize(),
            last_optimize: self.last_optimize(),
            last_vacuum: self.last_vacuum(),
            needs_optimize: reasons.iter().any(|reason| !reason.is_for_vacuum()),
            needs_vacuum: reasons.iter().any(HealthReason::is_for_vacuum),
            reasons,
            table: self.table,
        }
    }

    fn version(&self) -> i64 {
        self.commits.first().map_or(0, |commit| commit.version)
    }

    fn optimized(&self) -> Option<&Commit> {
        self.commits.iter().find(|commit| is_whole_optimize(commit))
    }

    fn last_optimize(&self) -> Option<DateTime<Utc>> {
        self.optimized().and_then(|commit| commit.timestamp).max(self.noted.optimize.done_at())
    }

    /// The version up to which the rows were optimized: what was committed while an OPTIMIZE ran is not part of it.
    fn optimized_version(&self) -> Option<i64> {
        let read = self.optimized().map(|commit| commit.read_version.unwrap_or(commit.version));
        // A note of a later version is on another table, which this one took the name of.
        read.max(self.noted.optimize.done_version().filter(|version| *version <= self.version()))
    }

    fn writes(&self) -> impl Iterator<Item = &Commit> {
        let since = self.optimized_version();
        self.commits
            .iter()
            .filter(move |commit| since.is_none_or(|version| commit.version > version) && is_write(commit))
    }

    fn writes_since_optimize(&self) -> u64 {
        u64::try_from(self.writes().count()).unwrap_or(u64::MAX)
    }

    fn small_files(&self, limit: u64) -> u64 {
        let (files, bytes) = (self.detail.num_files, self.detail.size_in_bytes);
        if files > 0 && bytes / files < limit {
            return files;
        }
        let added =
            self.writes().filter_map(|commit| FILES_ADDED.iter().find_map(|name| commit.metric(name)));
        added.sum::<u64>().min(files)
    }

    fn reasons_to_optimize(&self, policy: &MaintenancePolicy, now: DateTime<Utc>) -> Vec<HealthReason> {
        let mut reasons = Vec::new();
        let found = &self.detail.clustering_columns;
        if !policy.clustering.is_empty() && !is_same(&policy.clustering, found) {
            reasons.push(HealthReason::ClusteredOtherwise {
                wanted: policy.clustering.clone(),
                found: found.clone(),
            });
        }
        let writes = self.writes_since_optimize();
        // What was not written to since is as good as it gets.
        if writes == 0 {
            return reasons;
        }
        if let Some(every) = policy.optimize_every {
            let last = self.last_optimize().or(self.detail.created_at);
            reasons.extend(
                last.filter(|last| has_passed(*last, every, now))
                    .map(|last| HealthReason::OptimizeOverdue { last, every }),
            );
        }
        if let Some(limit) = policy.max_writes.filter(|limit| writes > *limit) {
            reasons.push(HealthReason::ManyWrites { writes, limit });
        }
        let files = self.small_files(policy.small_file_bytes);
        if let Some(limit) = policy.max_small_files.filter(|limit| files > *limit) {
            reasons.push(HealthReason::ManySmallFiles { files, limit });
        }
        reasons
    }

    /// When the newest VACUUM that came to its end began.
    fn vacuumed(&self) -> Option<DateTime<Utc>> {
        let ended = self.commits.iter().position(is_vacuumed)?;
        let older = self.commits.get(ended..)?;
        let started = older.iter().find(|commit| commit.operation == "VACUUM START");
        started.or_else(|| older.first()).and_then(|commit| commit.timestamp)
    }

    fn last_vacuum(&self) -> Option<DateTime<Utc>> {
        self.vacuumed().max(self.noted.vacuum.done_at())
    }

    fn reason_to_vacuum(&self, policy: &MaintenancePolicy, now: DateTime<Utc>) -> Option<HealthReason> {
        let vacuum = policy.vacuum?;
        let last = self.last_vacuum();
        if last.is_some_and(|last| !has_passed(last, vacuum.every, now)) {
            return None;
        }
        let own = || retention(self.detail.properties.get(RETENTION).map(String::as_str));
        let hours = vacuum.retain_hours.and_then(|hours| i64::try_from(hours).ok());
        let kept = hours.and_then(TimeDelta::try_hours).unwrap_or_else(own);
        // The last VACUUM left what was younger than the retention then.
        let vacuumed = last.and_then(|last| last.checked_sub_signed(kept));
        let removable = now.checked_sub_signed(kept)?;
        let removals = self.commits.iter().filter(|commit| removes_files(commit));
        removals
            .filter_map(|commit| commit.timestamp)
            .filter(|at| *at <= removable && vacuumed.is_none_or(|vacuumed| *at > vacuumed))
            .min()
            .map(|removed| HealthReason::FilesToVacuum { removed })
    }
}

fn has_passed(last: DateTime<Utc>, every: Duration, now: DateTime<Utc>) -> bool {
    now.signed_duration_since(last).to_std().is_ok_and(|passed| passed >= every)
}

fn is_same(wanted: &[String], found: &[String]) -> bool {
    wanted.len() == found.len()
        && wanted.iter().zip(found).all(|(wanted, found)| wanted.eq_ignore_ascii_case(found))
}

/// An OPTIMIZE of some partitions, and one that Databricks ran by itself after a write, leave the rest as it is.
fn is_whole_optimize(commit: &Commit) -> bool {
    let parameter = |name: &str| commit.operation_parameters.get(name).map(String::as_str);
    commit.operation == "OPTIMIZE"
        && matches!(parameter("predicate"), None | Some("" | "[]" | "null"))
        && parameter("auto") != Some("true")
}

fn is_write(commit: &Commit) -> bool {
    WRITES.contains(&commit.operation.as_str())
}

fn is_vacuumed(commit: &Commit) -> bool {
    let failed = commit.operation_parameters.get("status").is_some_and(|status| status != "COMPLETED");
    commit.operation == "VACUUM END" && !failed
}

/// Whether a commit took files out of the table. One that does not count them is asked whether it only added rows.
fn removes_files(commit: &Commit) -> bool {
    let counted: Vec<u64> = FILES_REMOVED.iter().filter_map(|name| commit.metric(name)).collect();
    match counted.is_empty() {
        true => is_write(commit) && commit.is_blind_append != Some(true),
        false => counted.iter().any(|files| *files > 0),
    }
}

/// A retention as tables have it, `interval 1 week`; the default of Delta for one that is not understood.
fn retention(property: Option<&str>) -> TimeDelta {
    property.and_then(interval).unwrap_or(DEFAULT_RETENTION)
}

fn interval(text: &str) -> Option<TimeDelta> {
    let text = text.to_ascii_lowercase();
    let mut words = text.split_whitespace();
    let number = words.by_ref().find(|word| *word != "interval")?.parse().ok()?;
    let length = match words.next()?.trim_end_matches('s') {
        "minute" => TimeDelta::try_minutes(number),
        "hour" => TimeDelta::try_hours(number),
        "day" => TimeDelta::try_days(number),
        "week" => TimeDelta::try_weeks(number),
        _ => None,
    };
    length.filter(|_| words.next().is_none())
}
