//! Conditions as delta-rs' builders may be given them.
//!
//! The builders take a condition that names no data column for one over whole files, and there they count a file for
//! which it is NULL as one that matches. They decide so after folding it, so what is handed over is folded to the
//! end and says what NULL means.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use deltalake::DeltaTable;

use crate::error::Result;

/// Rounds of folding: each round's last step may give the next one work.
const ROUNDS: usize = 8;

/// The rows that fulfil a condition.
#[derive(Debug)]
pub(super) enum Matching {
    None,
    All,
    /// Those for which this is true. Where it could be NULL for a whole file, it is false instead.
    Where(Expr),
}

/// Works a condition over the table's bare columns out as far as it goes without rows.
pub(super) fn settle(condition: Expr, table: &DeltaTable) -> Result<Matching> {
    let snapshot = table.snapshot()?.snapshot();
    let schema = DFSchema::try_from(Arc::as_ref(&snapshot.arrow_schema()).clone())?;
    let condition = fold(condition, schema)?;
    if let Expr::Literal(value, _) = &condition {
        let all = matches!(value, ScalarValue::Boolean(Some(true)));
        return Ok(if all { Matching::All } else { Matching::None });
    }
    let partitions = snapshot.metadata().partition_columns();
    let whole_files = condition.column_refs().iter().all(|column| partitions.contains(&column.name));
    // Only there: a condition of this form skips no files.
    let decided = whole_files || names_null(&condition)?;
    Ok(Matching::Where(if decided { condition.is_true() } else { condition }))
}

fn fold(mut condition: Expr, schema: DFSchema) -> Result<Expr> {
    let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(Arc::new(schema)).build());
    for _ in 0..ROUNDS {
        let folded = simplifier.simplify(condition.clone())?;
        if folded == condition {
            break;
        }
        condition = folded;
    }
    Ok(condition)
}

/// Whether a NULL is left in the condition.
fn names_null(condition: &Expr) -> Result<bool> {
    Ok(condition.exists(|expr| Ok(matches!(expr, Expr::Literal(value, _) if value.is_null())))?)
}
