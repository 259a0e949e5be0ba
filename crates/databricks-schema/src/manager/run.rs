//! Making a table what is wanted: look, plan, run, and look again.

use super::{Place, SchemaManager};
use crate::{
    EvolutionOptions, EvolutionPlan, PlanStatement, Result, SchemaChange, SchemaError, SchemaEvolutionResult,
    StatementError, TableName, TableSchema,
};

/// Plans made before others are found to change the table all the time. Each conflict means that somebody else got
/// on, so there is no need to wait in between.
const ATTEMPTS: u32 = 20;

/// Plans that may run to their end without the table showing it.
const UNSEEN: u32 = 2;

/// A statement that failed, and how.
struct Failure {
    statement: PlanStatement,
    error: Box<StatementError>,
}

impl SchemaManager {
    /// Makes the table have the wanted schema, with nothing that is not part of the reviewed plan, if there is one.
    ///
    /// What a failed statement means is told by the table: if the plan that is made next has no need of it any more,
    /// somebody else did it, or its answer was lost.
    pub(super) async fn evolve(
        &self,
        table: &TableName,
        wanted: &TableSchema,
        options: &EvolutionOptions,
        reviewed: Option<&EvolutionPlan>,
    ) -> Result<SchemaEvolutionResult> {
        let (mut done, mut failure, mut unseen) = (Vec::new(), None, 0);
        let mut lost: Option<PlanStatement> = None;
        for _ in 0..ATTEMPTS {
            let described = match (self.describe(table).await, failure.take()) {
                (Ok(described), failed) => {
                    failure = failed;
                    described
                }
                // What failed first says more than that the table cannot be looked at either.
                (Err(error), Some(Failure { statement, error: first })) if !is_missing(&error) => {
                    tracing::warn!(table = %table.full_name(), %error, "nor could the table be looked at again");
                    return Err(SchemaError::Statement { sql: statement.sql, error: first });
                }
                (Err(error), _) => return Err(error),
            };
            let plan = EvolutionPlan::between(&described, wanted, options)?;
            if plan.is_empty() {
                return Ok(SchemaEvolutionResult::of(done));
            }
            if let Some(Failure { statement, error }) = failure.take()
                && plan.statements.contains(&statement)
            {
                if !may_pass(&error, lost.as_ref() == Some(&statement)) {
                    return Err(SchemaError::Statement { sql: statement.sql, error });
                }
                if error.is_unsettled() {
                    lost = Some(statement);
                }
            }
            if unseen == UNSEEN {
                return Err(SchemaError::NotVerified {
                    table: table.full_name(),
                    remaining: list(plan.changes()),
                });
            }
            if let Some(reviewed) = reviewed {
                check_reviewed(&plan, reviewed)?;
            }
            match self.run(&plan, &mut done).await {
                Some(failed) => {
                    tracing::warn!(
                        table = %table.full_name(), statement = failed.statement.sql, error = %failed.error,
                        "a schema change did not go through; the table is looked at again"
                    );
                    failure = Some(failed);
                }
                None => unseen += 1,
            }
        }
        let error =
            failure.map_or_else(|| Box::new(StatementError::new("the table keeps changing")), |f| f.error);
        Err(SchemaError::Contended { table: table.full_name(), attempts: ATTEMPTS, error })
    }

    /// Runs the statements of a plan up to one that fails. What was changed is added to `done`.
    async fn run(&self, plan: &EvolutionPlan, done: &mut Vec<SchemaChange>) -> Option<Failure> {
        for statement in &plan.statements {
            let outcome = match &self.place {
                Place::Memory(memory) => memory.run(&plan.table, statement),
                Place::Workspace { runner, .. } => runner.run(&statement.sql, &[]).await.map(drop),
            };
            if let Err(error) = outcome {
                return Some(Failure { statement: statement.clone(), error: Box::new(error) });
            }
            tracing::warn!(table = %plan.table.full_name(), statement = statement.sql, "the table's schema was changed");
            let new = statement.changes.iter().filter(|change| !done.contains(change)).cloned();
            done.extend(new.collect::<Vec<_>>());
        }
        None
    }
}

fn is_missing(error: &SchemaError) -> bool {
    matches!(error, SchemaError::TableNotFound { .. })
}

/// Whether a statement that is still needed may go through when it is run again: it met another commit, or its answer
/// was lost for the first time. One that is lost again is too slow for its timeout, or somebody cancels it.
fn may_pass(error: &StatementError, was_lost: bool) -> bool {
    error.is_conflict() || error.is_unsettled() && !was_lost
}

fn check_reviewed(plan: &EvolutionPlan, reviewed: &EvolutionPlan) -> Result<()> {
    let unplanned: Vec<&SchemaChange> =
        plan.changes().filter(|change| !reviewed.changes().any(|known| known == *change)).collect();
    if unplanned.is_empty() {
        return Ok(());
    }
    Err(SchemaError::PlanOutdated { table: plan.table.full_name(), unplanned: list(unplanned.into_iter()) })
}

fn list<'a>(changes: impl Iterator<Item = &'a SchemaChange>) -> String {
    changes.map(SchemaChange::to_string).collect::<Vec<_>>().join("; ")
}
