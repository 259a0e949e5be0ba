//! Expressions: every form known here, the rest refused by name.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::expr::{Exists, InList, InSubquery, Like};
use datafusion::logical_expr::{Case, Expr, LogicalPlanBuilder, Operator, Subquery};
use sqlparser::ast::{
    self, AccessExpr, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, Query, Subscript, TrimWhereField,
    UnaryOperator, Value, ValueWithSpan,
};

use super::functions::{self, conditional};
use super::kernels::{self, arithmetic, nested};
use super::planner::Planner;
use super::scope::{Scope, same};
use super::setops::visible;
use super::subqueries::{self, Purpose};
use super::types::{self, Typed, name};
use super::{cast, guard, literal, operators};
use crate::error::{LocalError, Result};
use crate::parse::type_text;

impl Planner<'_> {
    /// A condition.
    pub(super) fn predicate(&mut self, expr: &ast::Expr, scope: &Scope, what: &str) -> Result<Expr> {
        let value = self.scalar(expr, scope)?;
        Ok(operators::boolean(value, what)?.expr)
    }

    /// An expression and its type.
    #[recursive::recursive]
    pub(super) fn scalar(&mut self, expr: &ast::Expr, scope: &Scope) -> Result<Typed> {
        match expr {
            ast::Expr::Identifier(ident) => self.column(std::slice::from_ref(&ident.value), scope),
            ast::Expr::CompoundIdentifier(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| p.value.clone()).collect();
                self.column(&parts, scope)
            }
            ast::Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, scope),
            ast::Expr::Nested(inner) => self.scalar(inner, scope),
            ast::Expr::Value(value) => literal::literal(&value.value, self.parameters),
            ast::Expr::TypedString(typed) => literal::typed(typed),
            ast::Expr::BinaryOp { left, op, right } => self.binary(left, op, right, scope),
            ast::Expr::UnaryOp { op, expr } => self.unary(*op, expr, scope),
            ast::Expr::IsNull(e) => self.test(e, scope, |e| Expr::IsNull(Box::new(e))),
            ast::Expr::IsNotNull(e) => self.test(e, scope, |e| Expr::IsNotNull(Box::new(e))),
            ast::Expr::IsTrue(e) => self.truth(e, scope, |e| Expr::IsTrue(Box::new(e))),
            ast::Expr::IsNotTrue(e) => self.truth(e, scope, |e| Expr::IsNotTrue(Box::new(e))),
            ast::Expr::IsFalse(e) => self.truth(e, scope, |e| Expr::IsFalse(Box::new(e))),
            ast::Expr::IsNotFalse(e) => self.truth(e, scope, |e| Expr::IsNotFalse(Box::new(e))),
            ast::Expr::IsUnknown(e) => self.truth(e, scope, |e| Expr::IsUnknown(Box::new(e))),
            ast::Expr::IsNotUnknown(e) => self.truth(e, scope, |e| Expr::IsNotUnknown(Box::new(e))),
            ast::Expr::IsDistinctFrom(a, b) => self.comparison(a, Operator::IsDistinctFrom, b, scope),
            ast::Expr::IsNotDistinctFrom(a, b) => self.comparison(a, Operator::IsNotDistinctFrom, b, scope),
            ast::Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated, scope),
            ast::Expr::InSubquery { expr, subquery, negated } => {
                self.in_subquery(expr, subquery, *negated, scope)
            }
            ast::Expr::Between { expr, negated, low, high } => self.between(expr, *negated, low, high, scope),
            ast::Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(*negated, false, expr, pattern, escape_char.as_ref(), scope)
            }
            ast::Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(*negated, true, expr, pattern, escape_char.as_ref(), scope)
            }
            ast::Expr::Cast { kind, expr, data_type, array: false, format: None } => {
                self.cast_to(kind, expr, data_type, scope)
            }
            ast::Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), scope)
            }
            ast::Expr::Exists { subquery, negated } => {
                let subquery = self.subquery(subquery, scope)?.0;
                subqueries::check_correlation(&subquery.subquery, Purpose::Exists)?;
                Ok(Typed::new(Expr::Exists(Exists { subquery, negated: *negated }), DataType::Boolean))
            }
            ast::Expr::Subquery(query) => self.scalar_subquery(query, scope),
            ast::Expr::Extract { field, syntax: _, expr } => {
                let value = self.scalar(expr, scope)?;
                functions::extract(&field.to_string(), value)
            }
            ast::Expr::Ceil { expr, field } => self.rounding("ceil", expr, field, scope),
            ast::Expr::Floor { expr, field } => self.rounding("floor", expr, field, scope),
            ast::Expr::Position { expr, r#in } => {
                let args = vec![self.scalar(expr, scope)?, self.scalar(r#in, scope)?];
                functions::call("locate", args)
            }
            ast::Expr::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                special: _,
                shorthand: _,
            } => {
                let mut args = vec![self.scalar(expr, scope)?, self.scalar(from, scope)?];
                if let Some(length) = substring_for {
                    args.push(self.scalar(length, scope)?);
                }
                functions::call("substring", args)
            }
            ast::Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                self.trim(trim_where.as_ref(), trim_what.as_deref(), expr, scope)
            }
            ast::Expr::Function(function) => self.function(function, scope),
            other => Err(LocalError::unsupported_feature(format!("the expression {other}"))),
        }
    }

    fn column(&mut self, parts: &[String], scope: &Scope) -> Result<Typed> {
        if let Some(found) = scope.find(parts)? {
            return found.fields.iter().try_fold(found.value, |value, part| field(value, part));
        }
        if let Some((first, rest)) = parts.split_first()
            && let Some((_, value)) = self.aliases.iter().rev().find(|(alias, _)| same(alias, first))
        {
            return rest.iter().try_fold(value.clone(), |value, part| field(value, part));
        }
        if let [name] = parts
            && let Some(value) = functions::niladic(name, self.now)
        {
            return Ok(value);
        }
        Err(scope.not_found(parts))
    }

    fn access(&mut self, root: &ast::Expr, chain: &[AccessExpr], scope: &Scope) -> Result<Typed> {
        let mut value = self.scalar(root, scope)?;
        for step in chain {
            value = match step {
                AccessExpr::Dot(ast::Expr::Identifier(ident)) => field(value, &ident.value)?,
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let index = self.scalar(index, scope)?;
                    element(value, index)?
                }
                other => return Err(LocalError::unsupported_feature(format!("the access {other}"))),
            };
        }
        Ok(value)
    }

    fn binary(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        scope: &Scope,
    ) -> Result<Typed> {
        if matches!(op, BinaryOperator::And | BinaryOperator::Or | BinaryOperator::StringConcat) {
            let terms = spine(left, op, right).into_iter().map(|term| self.scalar(term, scope));
            return operators::chain(op, terms.collect::<Result<_>>()?);
        }
        let sign = match op {
            BinaryOperator::Plus => 1,
            BinaryOperator::Minus => -1,
            _ => 0,
        };
        if let (1 | -1, ast::Expr::Interval(interval)) = (sign, right) {
            let span = literal::interval(interval, self.parameters)?;
            return operators::shift(self.scalar(left, scope)?, span, sign);
        }
        if let (1, ast::Expr::Interval(interval)) = (sign, left) {
            let span = literal::interval(interval, self.parameters)?;
            return operators::shift(self.scalar(right, scope)?, span, 1);
        }
        let (left, right) = (self.scalar(left, scope)?, self.scalar(right, scope)?);
        operators::binary(left, op, right)
    }

    fn unary(&mut self, op: UnaryOperator, expr: &ast::Expr, scope: &Scope) -> Result<Typed> {
        match op {
            UnaryOperator::Not | UnaryOperator::BangNot => {
                let value = operators::boolean(self.scalar(expr, scope)?, "operand of NOT")?;
                Ok(Typed::new(Expr::Not(Box::new(value.expr)), DataType::Boolean))
            }
            UnaryOperator::Plus => {
                let value = self.scalar(expr, scope)?;
                if types::is_numeric(&value.ty) {
                    return Ok(value);
                }
                Err(LocalError::unsupported_feature(format!("+ of a {}", name(&value.ty))))
            }
            UnaryOperator::Minus => {
                if let ast::Expr::Value(value) = expr
                    && let Some(negative) = literal::negated(&value.value)
                {
                    return Ok(negative);
                }
                let value = cast::normal(self.scalar(expr, scope)?);
                let value =
                    if types::is_string(&value.ty) { cast::cast(value, &DataType::Float64)? } else { value };
                if !types::is_numeric(&value.ty) {
                    return Err(LocalError::unsupported_feature(format!("- of a {}", name(&value.ty))));
                }
                Ok(kernels::call("negative", arithmetic::negate, vec![value.expr], value.ty))
            }
            other => Err(LocalError::unsupported_feature(format!("the operator {other}"))),
        }
    }

    fn test(&mut self, expr: &ast::Expr, scope: &Scope, make: fn(Expr) -> Expr) -> Result<Typed> {
        Ok(Typed::new(make(self.scalar(expr, scope)?.expr), DataType::Boolean))
    }

    fn truth(&mut self, expr: &ast::Expr, scope: &Scope, make: fn(Expr) -> Expr) -> Result<Typed> {
        let value = self.predicate(expr, scope, "operand")?;
        if subqueries::asks(&value) {
            return Err(LocalError::unsupported_feature("IS TRUE, FALSE or UNKNOWN of IN (query)"));
        }
        Ok(Typed::new(make(value), DataType::Boolean))
    }

    fn comparison(&mut self, a: &ast::Expr, op: Operator, b: &ast::Expr, scope: &Scope) -> Result<Typed> {
        let (a, b) = (self.scalar(a, scope)?, self.scalar(b, scope)?);
        operators::compare(a, op, b)
    }

    fn in_list(
        &mut self,
        expr: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        scope: &Scope,
    ) -> Result<Typed> {
        let value = self.scalar(expr, scope)?;
        let list = list.iter().map(|e| self.scalar(e, scope)).collect::<Result<Vec<_>>>()?;
        let common = types::common_of("IN", std::iter::once(&value.ty).chain(list.iter().map(|v| &v.ty)))?;
        if !types::is_comparable(&common) {
            return Err(LocalError::unsupported_feature(format!("IN of a {}", name(&common))));
        }
        let plain = |v: Typed| Ok(operators::unsigned_zero(cast::cast(v, &common)?).expr);
        let expr = Box::new(plain(value)?);
        let list = list.into_iter().map(plain).collect::<Result<_>>()?;
        Ok(Typed::new(Expr::InList(InList { expr, list, negated }), DataType::Boolean))
    }

    /// A query within an expression: its plan as a subquery, and the type of its columns.
    fn subquery(&mut self, query: &Query, scope: &Scope) -> Result<(Subquery, Vec<DataType>)> {
        let relation = self.nested(query, scope)?;
        let columns = visible(&relation).into_iter().map(|c| c.ty).collect();
        let subquery = Subquery {
            outer_ref_columns: relation.plan.all_out_ref_exprs(),
            subquery: Arc::new(relation.plan),
            spans: datafusion::common::Spans::new(),
        };
        Ok((subquery, columns))
    }

    /// A query as a value: NULL of no row, an error of two.
    fn scalar_subquery(&mut self, query: &Query, scope: &Scope) -> Result<Typed> {
        let (subquery, ty) = self.one_column(query, scope)?;
        subqueries::check_correlation(&subquery.subquery, Purpose::Value)?;
        if subquery.subquery.max_rows().is_some_and(|rows| rows <= 1) {
            return Ok(Typed::new(Expr::ScalarSubquery(subquery), ty));
        }
        // The engine would count the rows of all outer rows' matches, wanted or not.
        if !subquery.outer_ref_columns.is_empty() {
            return Err(LocalError::unsupported_feature("a correlated scalar subquery without an aggregate"));
        }
        let plan = Arc::unwrap_or_clone(subquery.subquery);
        let first = plan.schema().columns().into_iter().next();
        let column = Expr::Column(first.ok_or_else(|| LocalError::internal("a subquery without columns"))?);
        let (value, rows) = (self.fresh_name("v"), self.fresh_name("n"));
        let aggregates = vec![
            datafusion::functions_aggregate::first_last::first_value_udaf().call(vec![column]).alias(&value),
            datafusion::functions_aggregate::count::count_udaf()
                .call(vec![datafusion::prelude::lit(1)])
                .alias(&rows),
        ];
        let args = [value, rows].map(|name| Expr::Column(Column::new_unqualified(name)));
        let only = kernels::call("only_row", nested::only_row, args.to_vec(), ty.clone());
        let plan = LogicalPlanBuilder::from(plan)
            .aggregate(Vec::<Expr>::new(), aggregates)?
            .project(vec![only.expr.alias(self.fresh_name("c"))])?
            .build()?;
        let subquery = Subquery { subquery: Arc::new(plan), ..subquery };
        Ok(Typed::new(Expr::ScalarSubquery(subquery), ty))
    }

    fn one_column(&mut self, query: &Query, scope: &Scope) -> Result<(Subquery, DataType)> {
        let (subquery, columns) = self.subquery(query, scope)?;
        match columns.as_slice() {
            [one] => Ok((subquery, one.clone())),
            many => Err(LocalError::new(
                "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN",
                "42823",
                format!("Scalar subquery must return only one column, but got {}.", many.len()),
            )),
        }
    }

    fn in_subquery(
        &mut self,
        expr: &ast::Expr,
        query: &Query,
        negated: bool,
        scope: &Scope,
    ) -> Result<Typed> {
        let value = self.scalar(expr, scope)?;
        let (subquery, ty) = self.one_column(query, scope)?;
        if negated && !subquery.outer_ref_columns.is_empty() {
            return Err(LocalError::unsupported_feature("a correlated NOT IN (query): use NOT EXISTS"));
        }
        if self.allowed.windows {
            return Err(LocalError::unsupported_feature("IN (query) outside of a condition of the query"));
        }
        let common = types::common_of("IN", [&value.ty, &ty])?;
        if !types::is_comparable(&common)
            || (common != ty && !(types::is_string(&common) && types::is_string(&ty)))
        {
            return Err(LocalError::unsupported_feature(format!(
                "IN of a {} and a query of a {}: cast the query's column",
                name(&value.ty),
                name(&ty)
            )));
        }
        // A join would find no row where an aggregate of no row is one.
        if !subquery.outer_ref_columns.is_empty() && subqueries::is_one_row(&subquery.subquery) {
            subqueries::check_correlation(&subquery.subquery, Purpose::Value)?;
            return operators::compare(value, Operator::Eq, Typed::new(Expr::ScalarSubquery(subquery), ty));
        }
        subqueries::check_correlation(&subquery.subquery, Purpose::In)?;
        let expr = Box::new(cast::cast(value, &ty)?.expr);
        Ok(Typed::new(Expr::InSubquery(InSubquery::new(expr, subquery, negated)), DataType::Boolean))
    }

    fn between(
        &mut self,
        expr: &ast::Expr,
        negated: bool,
        low: &ast::Expr,
        high: &ast::Expr,
        scope: &Scope,
    ) -> Result<Typed> {
        let value = self.scalar(expr, scope)?;
        let low = operators::compare(value.clone(), Operator::GtEq, self.scalar(low, scope)?)?;
        let high = operators::compare(value, Operator::LtEq, self.scalar(high, scope)?)?;
        let both = operators::engine(low.expr, Operator::And, high.expr);
        let expr = if negated { Expr::Not(Box::new(both)) } else { both };
        Ok(Typed::new(expr, DataType::Boolean))
    }

    fn like(
        &mut self,
        negated: bool,
        case_insensitive: bool,
        expr: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ValueWithSpan>,
        scope: &Scope,
    ) -> Result<Typed> {
        let value = cast::cast(self.scalar(expr, scope)?, &DataType::Utf8)?;
        let pattern = cast::cast(self.scalar(pattern, scope)?, &DataType::Utf8)?;
        let escape = match escape.map(|e| &e.value) {
            None => '\\',
            Some(Value::SingleQuotedString(text)) if text.chars().count() == 1 => {
                text.chars().next().unwrap_or('\\')
            }
            Some(other) => return Err(LocalError::unsupported_feature(format!("ESCAPE {other}"))),
        };
        let pattern = match pattern.expr {
            Expr::Literal(ScalarValue::Utf8(Some(text)), _) => like_pattern(&text, escape)?,
            Expr::Literal(ScalarValue::Utf8(None), _) => ScalarValue::Utf8(None),
            _ => return Err(LocalError::unsupported_feature("LIKE with a pattern that is no constant")),
        };
        let pattern = Box::new(Expr::Literal(pattern, None));
        let like = Like { negated, expr: Box::new(value.expr), pattern, escape_char: None, case_insensitive };
        Ok(Typed::new(Expr::Like(like), DataType::Boolean))
    }

    fn cast_to(
        &mut self,
        kind: &CastKind,
        expr: &ast::Expr,
        to: &ast::DataType,
        scope: &Scope,
    ) -> Result<Typed> {
        let value = self.scalar(expr, scope)?;
        let to = types::parse(&type_text(to))?;
        match kind {
            CastKind::Cast | CastKind::DoubleColon => cast::cast(value, &to),
            CastKind::TryCast => cast::try_cast(value, &to),
            CastKind::SafeCast => Err(LocalError::unsupported_feature("SAFE_CAST")),
        }
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&ast::Expr>,
        scope: &Scope,
    ) -> Result<Typed> {
        let operand = operand.map(|e| self.scalar(e, scope)).transpose()?;
        let mut branches = Vec::new();
        for CaseWhen { condition, result } in conditions {
            let condition = self.scalar(condition, scope)?;
            let condition = match &operand {
                Some(operand) => operators::compare(operand.clone(), Operator::Eq, condition)?,
                None => operators::boolean(condition, "WHEN condition")?,
            };
            branches.push((condition.expr, self.scalar(result, scope)?));
        }
        let otherwise = otherwise.map(|e| self.scalar(e, scope)).transpose()?;
        case(branches, otherwise)
    }

    fn rounding(
        &mut self,
        function: &str,
        expr: &ast::Expr,
        kind: &CeilFloorKind,
        scope: &Scope,
    ) -> Result<Typed> {
        let value = self.scalar(expr, scope)?;
        match kind {
            CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => {
                functions::call(function, vec![value])
            }
            _ => Err(LocalError::unsupported_feature(format!("{function} with a target scale"))),
        }
    }

    fn trim(
        &mut self,
        place: Option<&TrimWhereField>,
        what: Option<&ast::Expr>,
        expr: &ast::Expr,
        scope: &Scope,
    ) -> Result<Typed> {
        let function = match place {
            None | Some(TrimWhereField::Both) => "trim",
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
        };
        let mut args = vec![self.scalar(expr, scope)?];
        if let Some(what) = what {
            args.push(self.scalar(what, scope)?);
        }
        conditional::trim(function, args)
    }
}

/// The terms of `a op b op c`, which the parser nests to the left.
fn spine<'e>(left: &'e ast::Expr, op: &BinaryOperator, right: &'e ast::Expr) -> Vec<&'e ast::Expr> {
    let mut terms = vec![right];
    let mut rest = left;
    while let ast::Expr::BinaryOp { left, op: inner, right } = rest
        && inner == op
    {
        terms.push(right);
        rest = left;
    }
    terms.push(rest);
    terms.reverse();
    terms
}

/// CASE with its results in their common type.
pub(super) fn case(branches: Vec<(Expr, Typed)>, otherwise: Option<Typed>) -> Result<Typed> {
    let results = branches.iter().map(|(_, r)| &r.ty).chain(otherwise.as_ref().map(|o| &o.ty));
    let common = types::common_of("CASE", results)?;
    let when_then_expr = branches
        .into_iter()
        .map(|(when, then)| Ok((Box::new(when), Box::new(cast::cast(then, &common)?.expr))))
        .collect::<Result<_>>()?;
    let else_expr = match otherwise {
        Some(value) => Some(Box::new(cast::cast(value, &common)?.expr)),
        None => None,
    };
    let case = Case { expr: None, when_then_expr, else_expr };
    let risky =
        case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr).any(|e| guard::can_fail(e));
    let expr =
        if common == DataType::Boolean && risky { guard::boolean_case(case) } else { Expr::Case(case) };
    Ok(Typed::new(expr, common))
}

/// A field of a struct, by its name in any case.
fn field(value: Typed, part: &str) -> Result<Typed> {
    let DataType::Struct(fields) = &value.ty else {
        let message = format!(
            "Can't extract a value from a {}: need a complex type [STRUCT, ARRAY, MAP].",
            name(&value.ty)
        );
        return Err(LocalError::new("INVALID_EXTRACT_BASE_FIELD_TYPE", "42000", message));
    };
    let found: Vec<_> = fields.iter().filter(|f| same(f.name(), part)).collect();
    match found.as_slice() {
        [one] => {
            let expr = get_field(value.expr.clone(), one.name().as_str());
            Ok(Typed::new(expr, one.data_type().clone()))
        }
        [] => {
            let known: Vec<_> = fields.iter().map(|f| format!("`{}`", f.name())).collect();
            let message = format!("No such struct field `{part}` in {}.", known.join(", "));
            Err(LocalError::new("FIELD_NOT_FOUND", "42704", message))
        }
        _ => Err(LocalError::new(
            "AMBIGUOUS_REFERENCE_TO_FIELDS",
            "42000",
            format!("Ambiguous reference to the field `{part}`."),
        )),
    }
}

/// `array[index]`, from 0.
fn element(value: Typed, index: Typed) -> Result<Typed> {
    let DataType::List(item) = &value.ty else {
        return Err(LocalError::unsupported_feature(format!("[..] of a {}", name(&value.ty))));
    };
    if !types::is_integer(&index.ty) {
        return Err(LocalError::datatype_mismatch(
            "UNEXPECTED_INPUT_TYPE",
            "The index of an array must be an INT.",
        ));
    }
    let ty = item.data_type().clone();
    let index = cast::cast(index, &DataType::Int32)?;
    Ok(kernels::call("element_at_index", nested::element, vec![value.expr, index.expr], ty))
}

/// The pattern with `\` as its escape character, as the engine reads it.
fn like_pattern(pattern: &str, escape: char) -> Result<ScalarValue> {
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != escape {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(next) if next == '%' || next == '_' || next == escape => {
                if matches!(next, '%' | '_' | '\\') {
                    out.push('\\');
                }
                out.push(next);
            }
            next => {
                let (class, why) = match next {
                    Some(_) => ("INVALID_FORMAT.ESC_IN_THE_MIDDLE", "must be followed by '%', '_' or itself"),
                    None => ("INVALID_FORMAT.ESC_AT_THE_END", "must not end the pattern"),
                };
                let message = format!("The pattern '{pattern}' is invalid: the escape character {why}.");
                return Err(LocalError::new(class, "42601", message));
            }
        }
    }
    Ok(ScalarValue::Utf8(Some(out)))
}
