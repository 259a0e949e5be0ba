//! Conditions that keep others from being worked out: `b <> 0 AND a / b > 1`.
//!
//! The engine works out both sides of AND and OR for a whole batch, and turns a CASE of booleans into AND and
//! OR. Where a side can fail, it is put behind a CASE of numbers, which the engine leaves lazy.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{BinaryExpr, Case, Cast, Expr, Operator};

use super::kernels::{self, math};

/// Whether working it out can end in an error.
pub(super) fn can_fail(expr: &Expr) -> bool {
    const SAFE: [&str; 9] = [
        "held",
        "unsigned_zero",
        "try_cast",
        "get_field",
        "make_array",
        "float_rank",
        "float_of_rank",
        "greatest",
        "least",
    ];
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

/// `a AND b AND ..` or `a OR b OR ..`. A term that can fail is worked out only where those before it have not
/// decided: one CASE asks them in turn, so that a long chain grows neither deep nor in size.
pub(super) fn chain(op: Operator, terms: Vec<Expr>) -> Expr {
    let risky: Vec<bool> = terms.iter().map(can_fail).collect();
    let first = risky.iter().position(|r| *r).unwrap_or(terms.len()).max(1);
    let Some(last) = risky.iter().rposition(|r| *r).filter(|last| *last >= first) else {
        return balanced(op, terms);
    };
    let decided = Expr::Literal(ScalarValue::Boolean(Some(op == Operator::Or)), None);
    let decides = |term: Expr| match op {
        Operator::Or => Expr::IsTrue(Box::new(term)),
        _ => Expr::IsFalse(Box::new(term)),
    };
    let (before, rest) = (terms.iter().take(first), terms.iter().take(last).skip(first));
    let whens = std::iter::once(balanced(op, before.cloned().collect())).chain(rest.cloned());
    let case = Case {
        expr: None,
        when_then_expr: whens.map(|when| (Box::new(decides(when)), Box::new(decided.clone()))).collect(),
        else_expr: Some(Box::new(balanced(op, terms.iter().take(last + 1).skip(first).cloned().collect()))),
    };
    // What cannot fail stays in sight of the engine, which looks for conditions to give to a table's scan.
    let mut all = Vec::with_capacity(terms.len());
    let mut lazy = Some(boolean_case(case));
    for (at, term) in terms.into_iter().enumerate() {
        if at == first {
            all.extend(lazy.take());
        }
        let within = (first..=last).contains(&at) && risky.get(at) == Some(&true);
        if !within {
            all.push(term);
        }
    }
    balanced(op, all)
}

/// The terms joined into a tree that is as flat as can be.
fn balanced(op: Operator, mut terms: Vec<Expr>) -> Expr {
    while terms.len() > 1 {
        let mut pairs = terms.into_iter();
        let mut next = Vec::with_capacity(pairs.len().div_ceil(2));
        while let Some(left) = pairs.next() {
            next.push(match pairs.next() {
                Some(right) => Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))),
                None => left,
            });
        }
        terms = next;
    }
    // A chain has terms; one of none decides nothing.
    terms.pop().unwrap_or_else(|| Expr::Literal(ScalarValue::Boolean(Some(op == Operator::And)), None))
}
