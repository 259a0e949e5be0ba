//! Sending statements that commit, and knowing afterwards whether they did.

use std::time::Duration;

use databricks_sql::{SqlError, Statement, StatementResult};

/// How often a statement that lost against another commit is sent again.
const CONFLICT_RETRIES: u32 = 10;
/// How often a statement that may run twice is sent again after its answer was lost.
const RESENDS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How a statement that commits ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It ran. Its counts are those of the last sending; if it was `resent`, an earlier sending may have taken effect.
    Applied { result: Box<StatementResult>, resent: bool },
    /// It did not take effect.
    Failed(SqlError),
    /// It was sent, and whether it took effect cannot be said.
    Unknown(SqlError),
}

/// Runs a statement once; again when it conflicted with another commit, since then nothing of it was committed.
pub(crate) async fn retrying_conflicts(statement: &Statement) -> Result<StatementResult, SqlError> {
    let mut conflicts = 0;
    loop {
        match statement.clone().execute().await {
            Err(error) if is_conflict(&error) && conflicts < CONFLICT_RETRIES => {
                tracing::warn!(%error, conflicts, "the commit conflicted with another and is tried again");
                tokio::time::sleep(pause(conflicts)).await;
                conflicts += 1;
            }
            other => return other,
        }
    }
}

/// Runs a statement that must not run twice.
pub(crate) async fn once(statement: &Statement) -> Outcome {
    match retrying_conflicts(statement).await {
        Ok(result) => Outcome::Applied { result: Box::new(result), resent: false },
        Err(error) if error.is_ambiguous() => Outcome::Unknown(error),
        Err(error) => Outcome::Failed(error),
    }
}

/// Runs a statement that may run twice: it is sent again when its answer was lost.
///
/// Once an answer was lost, only a success settles the outcome: a later refusal says nothing about the first sending,
/// which may still be running.
pub(crate) async fn repeatedly(statement: &Statement) -> Outcome {
    let mut lost = 0;
    loop {
        match once(statement).await {
            // Somebody cancelled it: it is not for us to begin it again.
            unknown @ Outcome::Unknown(SqlError::Canceled { .. }) => return unknown,
            Outcome::Unknown(error) if lost < RESENDS => {
                tracing::warn!(%error, "the answer to a commit was lost; it is sent again, which is safe");
                tokio::time::sleep(pause(lost)).await;
                lost += 1;
            }
            Outcome::Failed(error) if lost > 0 => return Outcome::Unknown(error),
            Outcome::Applied { result, .. } => return Outcome::Applied { result, resent: lost > 0 },
            settled => return settled,
        }
    }
}

fn is_conflict(error: &SqlError) -> bool {
    error.error_class().is_some_and(|class| class.starts_with("DELTA_CONCURRENT_"))
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
