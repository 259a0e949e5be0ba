//! DEFAULT: kept as text in a column's metadata, as Delta has it, and given to rows that do not say a value.

use arrow::datatypes::{Field, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlanBuilder, lit};
use sqlparser::ast;

use super::change::set_metadata;
use crate::error::{LocalError, Result};
use crate::exec::by_merge::asks;
use crate::exec::definition::Definition;
use crate::exec::definition::fields::{Place, at};
use crate::exec::statement::Statement;
use crate::parse::{self, DefaultValue, Name};
use crate::query::{self, Parameters};

/// The member of a column's metadata that holds its default.
pub(in crate::exec) const CURRENT_DEFAULT: &str = "CURRENT_DEFAULT";
/// The table feature without which no default is taken.
pub(in crate::exec) const ALLOWED: &str = "delta.feature.allowColumnDefaults";

/// Gives a column a default, or takes it away.
///
/// # Errors
/// `[WRONG_COLUMN_DEFAULTS_FOR_DELTA_FEATURE_NOT_ENABLED]` for a table without the feature.
pub(in crate::exec) fn set(after: &mut Definition, path: &[String], text: Option<&str>) -> Result<()> {
    if text.is_some() && after.property(ALLOWED).is_none() {
        return Err(LocalError::new(
            "WRONG_COLUMN_DEFAULTS_FOR_DELTA_FEATURE_NOT_ENABLED",
            "0AKDE",
            "Failed to execute the command because it assigned a column DEFAULT value, but the corresponding table feature was not enabled. Please retry the command again after executing ALTER TABLE tableName SET TBLPROPERTIES('delta.feature.allowColumnDefaults' = 'supported').",
        ));
    }
    if path.len() > 1 {
        let message =
            format!("A default value of {} is not possible: only whole columns have one.", path.join("."));
        return Err(LocalError::new("DEFAULT_UNSUPPORTED", "42623", message));
    }
    set_metadata(after, path, CURRENT_DEFAULT, text)
}

impl Statement {
    /// Refuses a default that no row could take.
    ///
    /// # Errors
    /// `[INVALID_DEFAULT_VALUE]` and its kinds.
    pub(in crate::exec) async fn check_default(
        &self,
        definition: &Definition,
        column: &Name,
        default: &DefaultValue,
    ) -> Result<()> {
        let mut fields = definition.fields.clone();
        let field: Field = at(&mut fields, column, |place| match place {
            Place::Field(field) => {
                use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
                (&*field).try_into_arrow().map_err(LocalError::from)
            }
            Place::Part(..) => Err(LocalError::unsupported_feature("a default inside an array or map")),
        })?;
        if asks(&default.expr) {
            return Err(invalid("SUBQUERY_EXPRESSION", &field, &default.text, "it holds a subquery"));
        }
        let value = self.default_value(&field, &default.text).await.map_err(|error| {
            let kind = match error.class() {
                class if class.starts_with("INCOMPATIBLE_DATA") => "DATA_TYPE",
                class if class.starts_with("UNSUPPORTED_FEATURE") => return error,
                _ => "UNRESOLVED_EXPRESSION",
            };
            invalid(kind, &field, &default.text, error.message())
        })?;
        let row = LogicalPlanBuilder::empty(true).project([value])?.build()?;
        match self.context.execute_logical_plan(row).await?.collect().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = LocalError::from(error);
                Err(invalid("DATA_TYPE", &field, &default.text, error.message()))
            }
        }
    }

    /// What the columns hold in a row that says nothing of them: their default, else NULL.
    pub(in crate::exec) async fn default_values(&self, table: &SchemaRef) -> Result<Vec<Expr>> {
        let mut values = Vec::with_capacity(table.fields().len());
        for field in table.fields() {
            values.push(self.default_of(field).await?);
        }
        Ok(values)
    }

    /// What a column holds in a row that says nothing of it.
    pub(in crate::exec) async fn default_of(&self, field: &Field) -> Result<Expr> {
        match field.metadata().get(CURRENT_DEFAULT) {
            Some(text) => self.default_value(field, text).await,
            None => Ok(lit(ScalarValue::try_from(field.data_type())?)),
        }
    }

    async fn default_value(&self, field: &Field, text: &str) -> Result<Expr> {
        let (expr, nothing) = (parse::expression(text)?, DFSchema::empty());
        let value = query::plan_expr(self, &nothing, &expr, &Parameters::default()).await?;
        let from = value.get_type(&nothing)?;
        query::assign(value, &from, field.data_type(), field.name())
    }
}

/// A column's default as an expression to stand in the place of the word DEFAULT.
///
/// # Errors
/// A default of the log that is no expression.
pub(in crate::exec) fn written(field: &Field) -> Result<ast::Expr> {
    match field.metadata().get(CURRENT_DEFAULT) {
        Some(text) => Ok(ast::Expr::Nested(Box::new(parse::expression(text)?))),
        None => Ok(ast::Expr::value(ast::Value::Null)),
    }
}

fn invalid(kind: &str, field: &Field, text: &str, why: &str) -> LocalError {
    let message = format!(
        "Failed to execute the command because the destination column `{}` has a DEFAULT value {text} that is not valid: {}.",
        field.name(),
        why.trim_end_matches('.')
    );
    LocalError::new(&format!("INVALID_DEFAULT_VALUE.{kind}"), "42623", message)
}
