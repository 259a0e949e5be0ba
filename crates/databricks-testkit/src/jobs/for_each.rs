//! For-each tasks: the nested task once for every element, so many at a time.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use super::attempt::{Done, Runner, run_task};
use super::core::NewAttempt;
use super::ending::{Ending, Life};
use super::fields::shown;
use super::plan::TaskPlan;

/// The most elements a for-each task may have here.
const ELEMENTS: usize = 5_000;

/// Runs all iterations, also after one has failed.
pub(super) async fn run(
    runner: &Runner,
    id: i64,
    resolved: &Value,
    concurrency: usize,
    nested: &Arc<TaskPlan>,
) -> Done {
    let elements = match elements(resolved) {
        Ok(elements) => elements,
        Err(message) => return Done::ended(Ending::misconfigured(message)),
    };
    let total = elements.len();
    runner.core.with_attempt(id, |attempt| attempt.iterations = total);
    let (mut active, mut failed) = (FuturesUnordered::new(), 0_usize);
    let mut rest = elements.into_iter().enumerate();
    loop {
        while active.len() < concurrency {
            let Some(element) = rest.next() else { break };
            let Some(iteration) = begin(runner, id, nested, element) else { break };
            active.push(run_task(runner.clone(), nested.clone(), iteration));
        }
        match active.next().await {
            None => break,
            Some(end) => failed += usize::from(!end.ending.result.is_success()),
        }
    }
    if failed == 0 {
        return Done::ended(Ending::success());
    }
    let message = format!("{failed} of {total} iterations failed");
    Done::ended(Ending::failed("RUN_EXECUTION_ERROR", message))
}

fn begin(runner: &Runner, parent: i64, nested: &Arc<TaskPlan>, element: (usize, Value)) -> Option<i64> {
    let cancel = runner.core.with_attempt(parent, |attempt| attempt.cancel.child_token())?;
    let new = NewAttempt {
        plan: nested.clone(),
        number: 0,
        original: None,
        parent: Some(parent),
        input: Some(element),
        life: Life::Pending,
        cancel,
    };
    runner.core.add_attempt(&mut runner.core.lock(), runner.run_id, new)
}

fn elements(resolved: &Value) -> Result<Vec<Value>, String> {
    let inputs = resolved.get("inputs").and_then(Value::as_str).unwrap_or_default();
    let elements = match serde_json::from_str(inputs) {
        Ok(Value::Array(elements)) => elements,
        _ => {
            let inputs = shown(&Value::String(inputs.to_owned()));
            return Err(format!("The inputs of the for-each task are no JSON array: {inputs}"));
        }
    };
    if elements.len() > ELEMENTS {
        let count = elements.len();
        return Err(format!("A for-each task has at most {ELEMENTS} elements here, not {count}"));
    }
    Ok(elements)
}
