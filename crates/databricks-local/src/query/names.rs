//! The name Databricks gives a column that has no alias: the expression, spelled its way.

use datafusion::logical_expr::Expr as Engine;
use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator,
    Value,
};

use super::parameters::Parameters;
use super::types;
use crate::parse::type_text;

/// The column name of an unaliased expression.
pub(super) fn of(expr: &Expr, parameters: &Parameters) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|p| p.value.clone()).unwrap_or_default(),
        Expr::Nested(inner) => of(inner, parameters),
        other => Names(parameters).text(other),
    }
}

struct Names<'a>(&'a Parameters);

impl Names<'_> {
    #[recursive::recursive]
    fn text(&self, expr: &Expr) -> String {
        match expr {
            Expr::Identifier(ident) => ident.value.clone(),
            Expr::CompoundIdentifier(parts) => {
                parts.iter().map(|p| p.value.as_str()).collect::<Vec<_>>().join(".")
            }
            Expr::Nested(inner) => self.text(inner),
            Expr::Value(value) => self.value(&value.value),
            Expr::BinaryOp { left, op, right } => {
                format!("({} {} {})", self.text(left), operator(op), self.text(right))
            }
            Expr::UnaryOp { op: UnaryOperator::Not | UnaryOperator::BangNot, expr } => {
                format!("(NOT {})", self.text(expr))
            }
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => self.minus(expr),
            Expr::IsNull(inner) => format!("({} IS NULL)", self.text(inner)),
            Expr::IsNotNull(inner) => format!("({} IS NOT NULL)", self.text(inner)),
            Expr::InList { expr, list, negated } => {
                let text = format!("({} IN ({}))", self.text(expr), self.list(list));
                if *negated { format!("(NOT {text})") } else { text }
            }
            Expr::Between { expr, negated, low, high } => {
                let text = format!("between({}, {}, {})", self.text(expr), self.text(low), self.text(high));
                if *negated { format!("(NOT {text})") } else { text }
            }
            Expr::Cast { kind, expr, data_type, .. } => self.cast(kind, expr, &type_text(data_type)),
            Expr::Case { operand, conditions, else_result, .. } => {
                let mut text = "CASE".to_owned();
                for when in conditions {
                    let condition = match operand {
                        Some(operand) => format!("({} = {})", self.text(operand), self.text(&when.condition)),
                        None => self.text(&when.condition),
                    };
                    text.push_str(&format!(" WHEN {condition} THEN {}", self.text(&when.result)));
                }
                if let Some(otherwise) = else_result {
                    text.push_str(&format!(" ELSE {}", self.text(otherwise)));
                }
                text + " END"
            }
            Expr::TypedString(typed) => format!("{} {}", typed.data_type, typed.value),
            Expr::Function(function) => self.function(function),
            Expr::Subquery(_) => "scalarsubquery()".to_owned(),
            other => other.to_string(),
        }
    }

    fn list(&self, exprs: &[Expr]) -> String {
        exprs.iter().map(|e| self.text(e)).collect::<Vec<_>>().join(", ")
    }

    fn minus(&self, expr: &Expr) -> String {
        match expr {
            Expr::Value(value) if matches!(value.value, Value::Number(..)) => {
                format!("-{}", self.value(&value.value))
            }
            other => format!("(- {})", self.text(other)),
        }
    }

    fn value(&self, value: &Value) -> String {
        match value {
            Value::Number(text, _) => {
                text.trim_end_matches(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E')).to_owned()
            }
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => text.clone(),
            Value::Boolean(value) => value.to_string(),
            Value::Null => "NULL".to_owned(),
            Value::HexStringLiteral(text) => format!("X'{}'", text.to_uppercase()),
            Value::Placeholder(marker) => match self.0.get(marker).map(|v| v.expr) {
                Ok(Engine::Literal(value, _)) if !value.is_null() => value.to_string(),
                _ => "NULL".to_owned(),
            },
            other => other.to_string(),
        }
    }

    fn cast(&self, kind: &CastKind, expr: &Expr, to: &str) -> String {
        let name = types::parse(to).map_or_else(|_| to.to_uppercase(), |ty| types::name(&ty));
        let verb = if matches!(kind, CastKind::TryCast | CastKind::SafeCast) { "TRY_CAST" } else { "CAST" };
        format!("{verb}({} AS {name})", self.text(expr))
    }

    fn function(&self, function: &Function) -> String {
        let name = function.name.to_string().to_lowercase();
        let mut text = match &function.args {
            FunctionArguments::None => format!("{name}()"),
            FunctionArguments::Subquery(query) => format!("{name}({query})"),
            FunctionArguments::List(list) => {
                let args: Vec<_> = list.args.iter().map(|arg| self.argument(arg)).collect();
                let distinct = match list.duplicate_treatment {
                    Some(sqlparser::ast::DuplicateTreatment::Distinct) => "DISTINCT ",
                    _ => "",
                };
                format!("{name}({distinct}{})", args.join(", "))
            }
        };
        if let Some(filter) = &function.filter {
            text.push_str(&format!(" FILTER (WHERE {})", self.text(filter)));
        }
        if let Some(over) = &function.over {
            text.push_str(&format!(" OVER ({over})"));
        }
        text
    }

    /// `count(*)` is `count(1)`.
    fn argument(&self, arg: &FunctionArg) -> String {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.text(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => "1".to_owned(),
            other => other.to_string(),
        }
    }
}

fn operator(op: &BinaryOperator) -> String {
    match op {
        BinaryOperator::NotEq => "!=".to_owned(),
        BinaryOperator::MyIntegerDivide => "div".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Command, parse};
    use sqlparser::ast::{SelectItem, SetExpr};

    fn name(sql: &str) -> String {
        let Command::Query(query) = parse(&format!("SELECT {sql}")).unwrap() else { panic!("no query") };
        let SetExpr::Select(select) = *query.body else { panic!("no select") };
        match select.projection.first() {
            Some(SelectItem::UnnamedExpr(expr)) => of(expr, &Parameters::default()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn unaliased_columns_are_named_by_their_expression() {
        for (sql, expected) in [
            ("a", "a"),
            ("t.a", "a"),
            ("count(*)", "count(1)"),
            ("COUNT(DISTINCT a)", "count(DISTINCT a)"),
            ("sum(a)", "sum(a)"),
            ("a + b * 2", "(a + (b * 2))"),
            ("(a)", "a"),
            ("1.50", "1.50"),
            ("1L", "1"),
            ("'text'", "text"),
            ("NULL", "NULL"),
            ("-1", "-1"),
            ("CAST(a AS string)", "CAST(a AS STRING)"),
            ("a::int", "CAST(a AS INT)"),
            ("CAST(a AS map<string, array<int>>)", "CAST(a AS MAP<STRING, ARRAY<INT>>)"),
            ("a IS NULL", "(a IS NULL)"),
            ("a <> 1", "(a != 1)"),
            ("CASE WHEN a = 1 THEN 'x' ELSE 'y' END", "CASE WHEN (a = 1) THEN x ELSE y END"),
            ("a IN (1, 2)", "(a IN (1, 2))"),
        ] {
            assert_eq!(name(sql), expected, "{sql}");
        }
    }
}
