//! Conditions that keep others from being worked out: `b <> 0 AND a / b > 1`.
//!
//! The engine works out both sides of AND and OR for a whole batch, and turns a CASE of booleans into AND and
//! OR. Where a side can fail, it is put behind a CASE of numbers, which the engine leaves lazy.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{Case, Cast, Expr};

use super::kernels::{self, math};

/// Whether working it out can end in an error.
pub(super) fn can_fail(expr: &Expr) -> bool {
    const SAFE: [&str; 4] = ["unsigned_zero", "try_cast", "get_field", "make_array"];
    let risky = |e: &Expr| match e {
        Expr::ScalarFunction(function) => !SAFE.contains(&function.name()),
        _ => false,
    };
    expr.exists(|e| Ok(risky(e))).unwrap_or(true)
}

/// A CASE of booleans that stays a CASE.
pub(super) fn boolean_case(case: Case) -> Expr {
    let coded = |e: Box<Expr>| Box::new(Expr::Cast(Cast::new(e, DataType::Int8)));
    let case = Case {
        expr: case.expr,
        when_then_expr: case.when_then_expr.into_iter().map(|(when, then)| (when, coded(then))).collect(),
        else_expr: case.else_expr.map(coded),
    };
    kernels::call("truth", math::truth, vec![Expr::Case(case)], DataType::Boolean).expr
}

/// The right side of AND, worked out only where the left is not false.
pub(super) fn unless_false(left: &Expr, right: Expr) -> Expr {
    guarded(Expr::IsNotFalse(Box::new(left.clone())), right, false)
}

/// The right side of OR, worked out only where the left is not true.
pub(super) fn unless_true(left: &Expr, right: Expr) -> Expr {
    guarded(Expr::IsNotTrue(Box::new(left.clone())), right, true)
}

fn guarded(when: Expr, then: Expr, otherwise: bool) -> Expr {
    if !can_fail(&then) {
        return then;
    }
    let otherwise = Expr::Literal(ScalarValue::Boolean(Some(otherwise)), None);
    let when_then_expr = vec![(Box::new(when), Box::new(then))];
    boolean_case(Case { expr: None, when_then_expr, else_expr: Some(Box::new(otherwise)) })
}
