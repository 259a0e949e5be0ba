//! The functions known here, by name: how each is served, and the refusal of every other.
//!
//! `table` lists the functions a kernel serves with their parameters, `conditional` those made of other
//! expressions, `aggregates` and `ranking` those over many rows.

use arrow::datatypes::DataType;
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
};

use super::planner::{Allowed, Planner};
use super::prefetch;
use super::scope::Scope;
use super::types::{Typed, name, timestamp};
use crate::error::{LocalError, Result};

mod aggregates;
pub(super) mod conditional;
mod numeric;
mod ranking;
mod table;

pub(super) use table::extract;

/// A call as written, its arguments read.
pub(super) struct Call {
    pub(super) name: String,
    pub(super) args: Vec<Typed>,
    pub(super) star: bool,
    pub(super) distinct: bool,
    pub(super) filter: Option<Expr>,
}

/// A function of single values.
pub(super) fn call(function: &str, args: Vec<Typed>) -> Result<Typed> {
    if let Some(value) = conditional::call(function, &args)? {
        return Ok(value);
    }
    if let Some(value) = numeric::call(function, &args)? {
        return Ok(value);
    }
    match table::call(function, args)? {
        Some(value) => Ok(value),
        None => Err(LocalError::unresolved_routine(function)),
    }
}

/// WRONG_NUM_ARGS.
pub(super) fn wrong_count(function: &str, expected: &str, actual: usize) -> LocalError {
    LocalError::new(
        "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
        "42605",
        format!("The `{function}` requires {expected} parameters but the actual number is {actual}."),
    )
}

/// DATATYPE_MISMATCH of one argument.
pub(super) fn wrong_type(function: &str, expected: &str, actual: &DataType) -> LocalError {
    LocalError::datatype_mismatch(
        "UNEXPECTED_INPUT_TYPE",
        format!(
            "The function `{function}` requires the {expected} type, however its argument has the type \"{}\".",
            name(actual)
        ),
    )
}

/// `current_date` and its kin, with or without parentheses: one instant for the whole statement.
pub(super) fn niladic(function: &str, now: DateTime<Utc>) -> Option<Typed> {
    let micros = now.timestamp_micros();
    match function.to_lowercase().as_str() {
        "current_date" | "curdate" => {
            let days = i32::try_from(micros.div_euclid(86_400_000_000)).ok()?;
            Some(Typed::new(Expr::Literal(ScalarValue::Date32(Some(days)), None), DataType::Date32))
        }
        "current_timestamp" | "now" => {
            let value = ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
            Some(Typed::new(Expr::Literal(value, None), timestamp()))
        }
        "current_timezone" => {
            let value = ScalarValue::Utf8(Some("Etc/UTC".to_owned()));
            Some(Typed::new(Expr::Literal(value, None), DataType::Utf8))
        }
        _ => None,
    }
}

impl Planner<'_> {
    /// A call of any kind.
    pub(super) fn function(&mut self, function: &Function, scope: &Scope) -> Result<Typed> {
        let Function { name, uses_odbc_syntax, parameters, args, filter, null_treatment, over, within_group } =
            function;
        let parts = prefetch::parts(name)?;
        let function = parts.join(".").to_lowercase();
        let refused =
            |what: &str| Err(LocalError::unsupported_feature(format!("{what} of the function {function}")));
        if *uses_odbc_syntax || !matches!(parameters, FunctionArguments::None) {
            return refused("this form");
        }
        if !within_group.is_empty() {
            return refused("WITHIN GROUP");
        }
        if null_treatment.is_some() {
            return refused("IGNORE NULLS or RESPECT NULLS");
        }
        let aggregate = aggregates::is_aggregate(&function);
        if aggregate && over.is_none() && !self.allowed.aggregates {
            let message = format!(
                "Using the aggregate function `{function}` is not allowed here: not in WHERE, GROUP BY, a join condition or another aggregate function."
            );
            return Err(LocalError::new("INVALID_AGGREGATE_FUNCTION_PLACE", "42903", message));
        }
        let inner =
            Allowed { aggregates: self.allowed.aggregates && (!aggregate || over.is_some()), ..self.allowed };
        let inner = if over.is_some() || aggregate { Allowed { windows: false, ..inner } } else { inner };
        let mut call = self.allowing(inner, |p| p.arguments(function.clone(), args, scope))?;
        if let Some(filter) = filter {
            if !aggregate {
                return refused("FILTER");
            }
            call.filter =
                Some(self.allowing(Allowed::default(), |p| p.predicate(filter, scope, "FILTER condition"))?);
        }
        match over {
            Some(over) => {
                let over = self.over(over, scope)?;
                match ranking::call(&call, &over)? {
                    Some(value) => Ok(value),
                    None if aggregate => aggregates::over(&call, &over),
                    None => Err(LocalError::unresolved_routine(&function)),
                }
            }
            None if aggregate => aggregates::plain(&call),
            None if ranking::is_ranking(&function) => {
                let message = format!("Window function `{function}` requires an OVER clause.");
                Err(LocalError::new("MISSING_WINDOW_SPECIFICATION", "42P20", message))
            }
            None => self.plain_call(call),
        }
    }

    fn plain_call(&mut self, call: Call) -> Result<Typed> {
        if call.star || call.distinct {
            return Err(LocalError::unsupported_feature(format!(
                "* or DISTINCT in the function {}",
                call.name
            )));
        }
        if call.args.is_empty()
            && let Some(value) = niladic(&call.name, self.now)
        {
            return Ok(value);
        }
        self::call(&call.name, call.args)
    }

    fn arguments(&mut self, name: String, args: &FunctionArguments, scope: &Scope) -> Result<Call> {
        let mut call = Call { name, args: Vec::new(), star: false, distinct: false, filter: None };
        let list = match args {
            FunctionArguments::None => return Ok(call),
            FunctionArguments::List(list) => list,
            FunctionArguments::Subquery(_) => {
                return Err(LocalError::unsupported_feature(format!(
                    "a query as the argument of {}",
                    call.name
                )));
            }
        };
        let FunctionArgumentList { duplicate_treatment, args, clauses } = list;
        call.distinct = matches!(duplicate_treatment, Some(DuplicateTreatment::Distinct));
        if let Some(clause) = clauses.first() {
            return Err(LocalError::unsupported_feature(format!("{clause} in the function {}", call.name)));
        }
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => call.star = true,
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    // Units such as DAY in `dateadd(DAY, 1, d)` are words, not columns.
                    let value = match conditional::unit(&call.name, call.args.len(), expr, args.len()) {
                        Some(unit) => unit,
                        None => self.scalar(expr, scope)?,
                    };
                    call.args.push(value);
                }
                other => {
                    return Err(LocalError::unsupported_feature(format!(
                        "the argument {other} of {}",
                        call.name
                    )));
                }
            }
        }
        Ok(call)
    }
}
