//! Sending statements that commit, and knowing afterwards whether they did.

use std::convert::Infallible;
use std::time::Duration;

use databricks_sql::{SqlClient, SqlError, Statement, StatementResult};

use crate::error::Result;

/// How often a statement that lost against another commit is sent again.
const CONFLICT_RETRIES: u32 = 10;
/// How often a statement that may run twice is sent again after its answer was lost.
const RESENDS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a table is asked whether a statement took effect, before that counts as unknown: for about 20 seconds.
const LOOKS: u32 = 7;

/// How a statement that commits ended.
#[derive(Debug)]
pub(crate) enum Outcome<T = Infallible> {
    /// It ran. Its counts are those of the last sending; if it was `resent`, an earlier sending may have taken effect.
    Applied { result: Box<StatementResult>, resent: bool },
    /// The table shows that it took effect, in this run or in another of the same write. Its answer is lost.
    Found(T),
    /// The table shows that another run of the same write took effect. This one did not.
    Before(T),
    /// It did not take effect.
    Failed(SqlError),
    /// It was sent, and whether it took effect cannot be said.
    Unknown(SqlError),
}

/// Runs a statement once; again when it conflicted with another commit, since then nothing of it was committed.
pub(crate) async fn retrying_conflicts(statement: &Statement) -> Result<StatementResult, SqlError> {
    let mut conflicts = 0;
    loop {
        match Box::pin(statement.clone().execute()).await {
            Err(error) if is_conflict(&error) && conflicts < CONFLICT_RETRIES => {
                wait_after_conflict(&error, conflicts).await;
                conflicts += 1;
            }
            other => return other,
        }
    }
}

async fn wait_after_conflict(error: &SqlError, conflicts: u32) {
    tracing::warn!(%error, conflicts, "the commit conflicted with another and is tried again");
    tokio::time::sleep(pause(conflicts)).await;
}

/// Runs a statement that must not run twice and whose effect a table can show: `look` says whether it does.
///
/// It is sent again only after a conflict, and only when the table does not show that another run of the same write
/// was the one that won. A lost answer is settled by the statement itself, where its id is known, else by the table. A
/// table that does not show the effect proves nothing then: the statement may still be on its way.
pub(crate) async fn settled<T, F>(sql: &SqlClient, statement: &Statement, look: impl Fn() -> F) -> Outcome<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let mut conflicts = 0;
    loop {
        let error = match Box::pin(statement.clone().execute()).await {
            Ok(result) => return Outcome::Applied { result: Box::new(result), resent: false },
            Err(error) if error.is_ambiguous() => return ask(sql, error, look).await,
            Err(error) => error,
        };
        match look().await {
            // No sending of this run committed anything.
            Ok(Some(found)) => return Outcome::Before(found),
            Ok(None) if is_conflict(&error) && conflicts < CONFLICT_RETRIES => {
                wait_after_conflict(&error, conflicts).await;
                conflicts += 1;
            }
            _ => return Outcome::Failed(error),
        }
    }
}

/// Finds out how a statement ended whose answer was lost.
async fn ask<T, F>(sql: &SqlClient, lost: SqlError, look: impl Fn() -> F) -> Outcome<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    tracing::warn!(error = %lost, "the answer to a commit was lost; it is looked for");
    if let Some(settled) = ended(sql, &lost).await {
        return settled;
    }
    for attempt in 0..LOOKS {
        if let Ok(Some(found)) = look().await {
            return Outcome::Found(found);
        }
        tokio::time::sleep(pause(attempt)).await;
    }
    Outcome::Unknown(lost)
}

/// The end of a statement that the server knows by its id.
async fn ended<T>(sql: &SqlClient, lost: &SqlError) -> Option<Outcome<T>> {
    // Of one that was cancelled or failed without a reason the server has said all it knows.
    if matches!(lost, SqlError::Canceled { .. } | SqlError::StatementFailed(_)) {
        return None;
    }
    match sql.attach(lost.statement_id()?.clone()).wait().await {
        Ok(result) => Some(Outcome::Applied { result: Box::new(result), resent: false }),
        Err(error @ SqlError::StatementFailed(_)) if !error.is_ambiguous() => Some(Outcome::Failed(error)),
        Err(_) => None,
    }
}

/// Runs a statement that must not run twice. A lost answer is settled by the statement itself, where its id is known.
pub(crate) async fn known(sql: &SqlClient, statement: &Statement) -> Result<StatementResult, SqlError> {
    told(sql, retrying_conflicts(statement).await).await
}

/// As [`known`], for a statement that is not to be sent over what others have committed in between: a conflict is an
/// error.
pub(crate) async fn known_once(sql: &SqlClient, statement: Statement) -> Result<StatementResult, SqlError> {
    told(sql, Box::pin(statement.execute()).await).await
}

async fn told(
    sql: &SqlClient,
    answer: Result<StatementResult, SqlError>,
) -> Result<StatementResult, SqlError> {
    let error = match answer {
        Err(error) if error.is_ambiguous() => error,
        settled => return settled,
    };
    match ended::<Infallible>(sql, &error).await {
        Some(Outcome::Applied { result, .. }) => Ok(*result),
        Some(Outcome::Failed(error)) => Err(error),
        _ => Err(error),
    }
}

/// As [`known`], with the outcome told apart.
pub(crate) async fn unmarked<T>(sql: &SqlClient, statement: &Statement) -> Outcome<T> {
    match known(sql, statement).await {
        Ok(result) => Outcome::Applied { result: Box::new(result), resent: false },
        Err(error) if error.is_ambiguous() => Outcome::Unknown(error),
        Err(error) => Outcome::Failed(error),
    }
}

/// Runs a statement without asking what became of it when its answer is lost.
async fn once(statement: &Statement) -> Outcome {
    match retrying_conflicts(statement).await {
        Ok(result) => Outcome::Applied { result: Box::new(result), resent: false },
        Err(error) if error.is_ambiguous() => Outcome::Unknown(error),
        Err(error) => Outcome::Failed(error),
    }
}

/// Runs a statement that may run twice: it is sent again when its answer was lost.
///
/// Once an answer was lost, only a success settles the outcome: a later refusal says nothing about the first sending,
/// which may still be running. `when_lost` is run after the first lost answer, while the host is still asked.
pub(crate) async fn repeatedly(statement: &Statement, when_lost: impl Future<Output = ()>) -> Outcome {
    let (mut lost, mut when_lost) = (0, Some(when_lost));
    loop {
        match once(statement).await {
            // Somebody cancelled it: it is not for us to begin it again.
            unknown @ Outcome::Unknown(SqlError::Canceled { .. }) => return unknown,
            Outcome::Unknown(error) if lost < RESENDS => {
                tracing::warn!(%error, "the answer to a commit was lost; it is sent again, which is safe");
                if let Some(when_lost) = when_lost.take() {
                    when_lost.await;
                }
                tokio::time::sleep(pause(lost)).await;
                lost += 1;
            }
            Outcome::Failed(error) if lost > 0 => return Outcome::Unknown(error),
            Outcome::Applied { result, .. } => return Outcome::Applied { result, resent: lost > 0 },
            settled => return settled,
        }
    }
}

/// Whether another commit came first, so that nothing of this one was committed.
fn is_conflict(error: &SqlError) -> bool {
    let is_change = |class: &str| matches!(class, "DELTA_METADATA_CHANGED" | "DELTA_PROTOCOL_CHANGED");
    error.error_class().is_some_and(|class| class.starts_with("DELTA_CONCURRENT_") || is_change(class))
}

/// Doubles each time; between half and all of that, so that writers that met once do not meet again.
fn pause(attempt: u32) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(attempt)).min(LONGEST_PAUSE);
    full.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        for attempt in 0..40 {
            let full = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(attempt)).min(LONGEST_PAUSE);
            let pause = pause(attempt);
            assert!(pause >= full / 2 && pause <= full, "{attempt}: {pause:?}");
        }
        assert!(pause(39) >= LONGEST_PAUSE / 2);
    }
}
