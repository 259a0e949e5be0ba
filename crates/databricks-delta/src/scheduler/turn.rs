//! One table's turn: how it is, what is due, and doing it.

use chrono::{DateTime, Utc};
use databricks_schema::TableName;
use tracing::Instrument;

use super::health::{Known, TableHealth};
use super::ledger::{Action, Claim, Ledger, Noted};
use super::policy::MaintenancePolicy;
use super::report::{Tended, Upkeep};
use super::{Kept, MaintenanceScheduler};
use crate::client::Remote;
use crate::error::{DeltaError, Result};
use crate::maintenance::{OptimizeResult, VacuumResult};
use crate::statement::ddl;
use crate::{commit, detail, history};

/// Commits of a table that are looked at, newest first.
const COMMITS: u64 = 1_000;

/// A table whose turn it is.
struct Turn<'a> {
    scheduler: &'a MaintenanceScheduler,
    ledger: &'a Ledger,
    table: &'a TableName,
    policy: &'a MaintenancePolicy,
    noted: Noted,
    health: TableHealth,
}

impl MaintenanceScheduler {
    /// Does what is due for a table. Errors are part of what comes of it.
    pub(super) async fn tend(&self, kept: &Kept) -> Tended {
        let table = match kept.table.get() {
            Ok(table) => table,
            Err(error) => return failed(kept.name.clone(), error),
        };
        let span = tracing::info_span!("databricks.delta.maintenance", table = %table.full_name());
        let tended = Box::pin(self.tend_table(table, &kept.policy)).instrument(span.clone()).await;
        let tended = tended.unwrap_or_else(|error| failed(table.full_name(), error));
        for error in &tended.errors {
            span.in_scope(|| tracing::error!(%error, "the table could not be looked after"));
        }
        tended
    }

    async fn tend_table(&self, table: &TableName, policy: &MaintenancePolicy) -> Result<Tended> {
        policy.check()?;
        let ledger = self.open_ledger()?;
        let (noted, health) = self.look(&ledger, table, policy).await?;
        let turn = Turn { scheduler: self, ledger: &ledger, table, policy, noted, health };
        let mut tended = Tended::new(table.full_name(), Upkeep::NotDue);
        if turn.health.needs_optimize {
            let optimized = turn.claimed(Action::Optimize, turn.optimize()).await;
            (tended.report.optimize, tended.optimized) = noting(optimized, &mut tended.errors);
        }
        if turn.health.needs_vacuum {
            let vacuumed = turn.claimed(Action::Vacuum, turn.vacuum()).await;
            (tended.report.vacuum, tended.vacuumed) = noting(vacuumed, &mut tended.errors);
        }
        tended.report.health = Some(turn.health);
        Ok(tended)
    }

    /// The notes on a table, and its health. The notes are read first: who claims by them has missed nothing.
    pub(super) async fn look(
        &self,
        ledger: &Ledger,
        table: &TableName,
        policy: &MaintenancePolicy,
    ) -> Result<(Noted, TableHealth)> {
        let noted = ledger.read(table).await?;
        let remote = self.client.remote()?;
        let commits = history::fetch(remote, table, Some(COMMITS)).await?;
        let detail = detail::fetch(remote, table).await?;
        let known = Known { table: table.full_name(), commits: &commits, detail: &detail, noted: &noted };
        let health = known.health(policy, self.now());
        Ok((noted, health))
    }
}

impl Turn<'_> {
    /// Does work that is due, if it may be done now and is nobody else's.
    async fn claimed<T>(
        &self,
        action: Action,
        work: impl Future<Output = Result<T>>,
    ) -> Result<(Upkeep, Option<T>)> {
        let now = self.scheduler.now();
        if self.policy.quiet.is_some_and(|quiet| quiet.contains(now)) {
            return Ok((Upkeep::Quiet, None));
        }
        let Some(claim) = self.claim(action, now).await? else {
            tracing::debug!(action = action.name(), "another scheduler is at it");
            return Ok((Upkeep::LeftToAnother, None));
        };
        let done = work.await;
        // What may still be running keeps its claim, so that nobody begins it a second time beside it.
        if !done.as_ref().is_err_and(DeltaError::is_ambiguous) {
            self.end(action, &claim, done.is_ok()).await;
        }
        done.map(|done| (Upkeep::Done, Some(done)))
    }

    /// A claim whose end cannot be noted lapses by itself.
    async fn end(&self, action: Action, claim: &Claim, done: bool) {
        if let Err(error) = self.ledger.end(claim, done, self.scheduler.now()).await {
            tracing::warn!(%error, action = action.name(), "the end could not be noted");
        }
    }

    async fn claim(&self, action: Action, now: DateTime<Utc>) -> Result<Option<Claim>> {
        let seen = self.noted.of(action);
        if seen.is_held(self.scheduler.lease, now) {
            return Ok(None);
        }
        self.ledger.claim(self.table, action, seen, self.health.version, now).await
    }

    async fn optimize(&self) -> Result<OptimizeResult> {
        let reasons: Vec<_> = self.health.reasons.iter().map(ToString::to_string).collect();
        tracing::info!(reasons = reasons.join("; "), "the table is optimized");
        let client = &self.scheduler.client;
        let mut optimize = client.optimize(self.table).zorder_by(&self.policy.zorder);
        if self.health.is_clustered_otherwise() {
            cluster(client.remote()?, self.table, &self.policy.clustering).await?;
            optimize = optimize.full();
        }
        optimize.send().await
    }

    async fn vacuum(&self) -> Result<VacuumResult> {
        let vacuum = self.scheduler.client.vacuum(self.table);
        let hours = self.policy.vacuum.and_then(|vacuum| vacuum.retain_hours);
        hours.into_iter().fold(vacuum, |vacuum, hours| vacuum.retain_hours(hours)).send().await
    }
}

/// Changes the columns by which a table is clustered. Its rows stay where they are.
async fn cluster(remote: &Remote, table: &TableName, columns: &[String]) -> Result<()> {
    let sql = ddl::cluster_by(table, columns);
    // Twice it sets the same.
    commit::retrying_conflicts(&remote.sql.statement(sql).idempotent()).await?;
    Ok(())
}

fn noting<T>(done: Result<(Upkeep, Option<T>)>, errors: &mut Vec<DeltaError>) -> (Upkeep, Option<T>) {
    done.unwrap_or_else(|error| {
        errors.push(error);
        (Upkeep::Failed, None)
    })
}

fn failed(table: String, error: DeltaError) -> Tended {
    Tended { errors: vec![error], ..Tended::new(table, Upkeep::Failed) }
}

/// The policy of a table that is looked after.
pub(super) fn policy_of<'a>(kept: &'a [Kept], table: &TableName) -> Option<&'a MaintenancePolicy> {
    let is_meant = |kept: &&Kept| {
        kept.table.get().is_ok_and(|name| name.full_name().eq_ignore_ascii_case(&table.full_name()))
    };
    kept.iter().find(is_meant).map(|kept| &kept.policy)
}
