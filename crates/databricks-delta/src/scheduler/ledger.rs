//! What schedulers note for each other and for later: a small Delta table, with a row for each table and action.
//!
//! Work is claimed by a merge of that row which holds only while the row is still the one that was seen. Of two such
//! merges at once Delta lets one win; the other is tried again and finds the winner's row. The note lies beside the tables
//! and not in their properties: a change of properties would break off every transaction that is under way on them.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use databricks_schema::{ColumnSchema, DataType, TableName, TableSchema};
use databricks_sql::SqlError;
use futures::TryStreamExt;
use serde::Serialize;
use uuid::Uuid;

use crate::cells::{self, Row};
use crate::client::DeltaClient;
use crate::error::{DeltaError, Result};

/// The table that holds the notes, in the catalog and schema of the client.
pub(super) const LEDGER: &str = "_maintenance";

/// What is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Optimize,
    Vacuum,
}

impl Action {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Optimize => "optimize",
            Self::Vacuum => "vacuum",
        }
    }
}

/// What is noted of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) optimize: Note,
    pub(super) vacuum: Note,
}

impl Noted {
    pub(super) fn of(&self, action: Action) -> &Note {
        match action {
            Action::Optimize => &self.optimize,
            Action::Vacuum => &self.vacuum,
        }
    }
}

/// What is noted of one action on a table; empty where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// The last claim.
    claim: String,
    state: String,
    /// When the state was reached.
    at: Option<DateTime<Utc>>,
    /// The table's version when it was claimed.
    version: Option<i64>,
}

const RUNNING: &str = "running";
const DONE: &str = "done";
const FAILED: &str = "failed";

impl Note {
    /// When the action was last done. An OPTIMIZE that finds nothing to do leaves no trace but this.
    pub(super) fn done_at(&self) -> Option<DateTime<Utc>> {
        self.at.filter(|_| self.state == DONE)
    }

    /// The version at which it was last done.
    pub(super) fn done_version(&self) -> Option<i64> {
        self.version.filter(|_| self.state == DONE)
    }

    /// Whether somebody is at it. A claim that is older than `lease` is one of a process that ended.
    pub(super) fn is_held(&self, lease: Duration, now: DateTime<Utc>) -> bool {
        let is_old = |at: DateTime<Utc>| now.signed_duration_since(at).to_std().is_ok_and(|age| age >= lease);
        self.state == RUNNING && self.at.is_some_and(|at| !is_old(at))
    }

    /// A note on what was done at a version.
    #[cfg(test)]
    pub(super) fn done(version: i64, at: DateTime<Utc>) -> Self {
        Self { claim: "c".to_owned(), state: DONE.to_owned(), at: Some(at), version: Some(version) }
    }

    fn of(row: &Row) -> Self {
        let text = |column| row.text(column).unwrap_or_default();
        Self { claim: text("claim"), state: text("state"), at: row.time("at"), version: row.int("version") }
    }
}

/// Work that is this scheduler's own.
#[derive(Debug)]
pub(super) struct Claim(String);

/// A claim as a row of the merge's source.
#[derive(Debug, Serialize)]
struct Claiming<'a> {
    table_name: &'a str,
    action: &'a str,
    claim: &'a str,
    state: &'a str,
    at: String,
    version: i64,
    /// The claim that was seen; empty when there was none.
    seen: &'a str,
}

/// The notes, as a client reads and writes them.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    client: DeltaClient,
    place: TableName,
}

impl Ledger {
    pub(super) fn new(client: &DeltaClient, place: &TableName) -> Self {
        Self { client: client.clone(), place: place.clone() }
    }

    /// What is noted of a table: nothing, when there is no ledger yet.
    pub(super) async fn read(&self, table: &TableName) -> Result<Noted> {
        let read = self.client.read_table(&self.place).filter("table_name = :table");
        let batches = match read.param("table", key(table)).batches().await {
            Err(DeltaError::Sql(error)) if is_missing(&error) => return Ok(Noted::default()),
            batches => batches?.try_collect::<Vec<_>>().await,
        };
        let rows = match batches {
            Err(error) if is_missing(&error) => return Ok(Noted::default()),
            batches => cells::rows(&batches?)?,
        };
        let note = |action: Action| {
            rows.iter().find(|row| row.text("action").as_deref() == Some(action.name())).map(Note::of)
        };
        let [optimize, vacuum] =
            [Action::Optimize, Action::Vacuum].map(|action| note(action).unwrap_or_default());
        Ok(Noted { optimize, vacuum })
    }

    /// Claims an action on a table at `version`, unless somebody did since `seen` was read.
    pub(super) async fn claim(
        &self,
        table: &TableName,
        action: Action,
        seen: &Note,
        version: i64,
        now: DateTime<Utc>,
    ) -> Result<Option<Claim>> {
        let claim = Uuid::new_v4().to_string();
        let claiming = [Claiming {
            table_name: &key(table),
            action: action.name(),
            claim: &claim,
            state: RUNNING,
            at: now.to_rfc3339_opts(SecondsFormat::Micros, true),
            version,
            seen: &seen.claim,
        }];
        let claimed = match self.merge(&claiming).await {
            Err(DeltaError::TableNotFound { .. }) => {
                self.create().await?;
                self.merge(&claiming).await?
            }
            claimed => claimed?,
        };
        Ok(claimed.then_some(Claim(claim)))
    }

    async fn merge(&self, claiming: &[Claiming<'_>]) -> Result<bool> {
        let merge = self.client.merge(&self.place).using_values(claiming).on_keys(&["table_name", "action"]);
        let set = "claim = source.claim, state = source.state, at = source.at, version = source.version";
        let columns = "table_name, action, claim, state, at, version";
        let values =
            "source.table_name, source.action, source.claim, source.state, source.at, source.version";
        let merged = merge
            .when_matched_update_if("target.claim = source.seen", set)
            .when_not_matched_insert_if("source.seen = ''", columns, values)
            // An answer that is lost is then found in the ledger's own history.
            .idempotency_key(claiming.iter().map(|claiming| claiming.claim).collect::<String>())
            // It holds only while the row is the one that was seen.
            .harmless_when_late()
            .execute()
            .await?;
        Ok(merged.num_affected_rows > 0)
    }

    /// Makes the ledger, if nobody else does.
    async fn create(&self) -> Result<()> {
        let text = |name: &str| ColumnSchema::new(name, DataType::String);
        let columns = [
            text("table_name"),
            text("action"),
            text("claim"),
            text("state"),
            ColumnSchema::new("at", DataType::Timestamp),
            ColumnSchema::new("version", DataType::BigInt),
        ];
        let create = self.client.create_table(&self.place, TableSchema::new(columns)).if_not_exists();
        create.comment("What maintenance schedulers are doing and have done").send().await
    }

    /// Notes how claimed work ended, and that it may be claimed again.
    pub(super) async fn end(&self, claim: &Claim, done: bool, now: DateTime<Utc>) -> Result<()> {
        let update =
            self.client.update(&self.place).set("state", ":state").set("at", "CAST(:at AS TIMESTAMP)");
        let at = now.to_rfc3339_opts(SecondsFormat::Micros, true);
        let update = update.filter("claim = :claim").param("claim", claim.0.as_str()).param("at", at);
        update.param("state", if done { DONE } else { FAILED }).send().await.map(drop)
    }
}

/// Names of tables are compared without case.
fn key(table: &TableName) -> String {
    table.full_name().to_lowercase()
}

fn is_missing(error: &SqlError) -> bool {
    error.error_class() == Some("TABLE_OR_VIEW_NOT_FOUND")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_young_claim_is_held_and_only_what_is_done_counts() {
        let now: DateTime<Utc> = "2026-01-02T12:00:00Z".parse().unwrap();
        let hour = Duration::from_secs(3600);
        let note = |state: &str, at: &str| Note {
            claim: "c".to_owned(),
            state: state.to_owned(),
            at: Some(at.parse().unwrap()),
            version: Some(3),
        };
        assert!(note(RUNNING, "2026-01-02T11:00:01Z").is_held(hour, now));
        assert!(!note(RUNNING, "2026-01-02T11:00:00Z").is_held(hour, now));
        assert!(note(RUNNING, "2026-01-02T13:00:00Z").is_held(hour, now), "a clock that is behind");
        for state in [DONE, FAILED] {
            assert!(!note(state, "2026-01-02T11:59:00Z").is_held(hour, now), "{state}");
        }
        assert_eq!(note(RUNNING, "2026-01-02T11:59:00Z").done_version(), None);
        assert_eq!(note(FAILED, "2026-01-02T11:59:00Z").done_at(), None);
        assert_eq!(note(DONE, "2026-01-02T11:59:00Z").done_version(), Some(3));
    }
}
