//! How deep a plan may grow. Operators plan, run and drop one another level by level: a chain of WITH tables or of joins
//! that is too long would end the process.

use datafusion::logical_expr::LogicalPlan;
use sqlparser::ast::TableWithJoins;

use crate::error::{LocalError, Result};

/// Levels that a thread's stack holds in a debug build, with room to spare.
const MAX_LEVELS: usize = 160;

/// What a join takes of the stack, in levels of other operators.
const LEVELS_OF_A_JOIN: usize = 4;

/// Operators of a plan, counted as often as they run: a WITH table that reads the one before it twice doubles them.
const MAX_OPERATORS: usize = 20_000;

/// Refuses a FROM of so many relations that joining them would be too deep, before any is planned.
pub(super) fn check_relations(from: &[TableWithJoins]) -> Result<()> {
    let relations: usize = from.iter().map(|item| 1 + item.joins.len()).sum();
    if relations > MAX_LEVELS / LEVELS_OF_A_JOIN {
        return Err(too_complex(&format!("joins {relations} relations in one FROM")));
    }
    Ok(())
}

/// Refuses a plan that is too deep or too large.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    let mut open = vec![(plan, 0)];
    let mut operators = 0;
    while let Some((plan, above)) = open.pop() {
        operators += 1;
        if operators > MAX_OPERATORS {
            return Err(too_complex("reads its tables too many times over"));
        }
        let levels = above + if matches!(plan, LogicalPlan::Join(_)) { LEVELS_OF_A_JOIN } else { 1 };
        if levels > MAX_LEVELS {
            return Err(too_complex("builds its tables upon one another too many times"));
        }
        open.extend(plan.inputs().into_iter().map(|input| (input, levels)));
    }
    Ok(())
}

fn too_complex(why: &str) -> LocalError {
    let message = format!("The statement {why}. Keep what lies between in a table.");
    LocalError::new("FAILED_TO_PARSE_TOO_COMPLEX", "54001", message)
}
