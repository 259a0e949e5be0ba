//! What a column takes: NOT NULL is checked where the value is made, so that the error names the column, and an empty
//! text of a partition column is NULL, as Delta defines it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::{cast, nullif};
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use crate::error::{LocalError, Result};

/// The value as the column takes it, or `[DELTA_NOT_NULL_CONSTRAINT_VIOLATED]` when it runs.
pub(super) fn stored(value: Expr, field: &Field, partitions: &[String]) -> Expr {
    let empty_is_null = is_text_in_a_path(field, partitions);
    if field.is_nullable() && !empty_is_null {
        return value;
    }
    checked(value, field, empty_is_null)
}

fn is_text_in_a_path(field: &Field, partitions: &[String]) -> bool {
    field.data_type().is_string() && partitions.contains(field.name())
}

fn checked(value: Expr, field: &Field, empty_is_null: bool) -> Expr {
    let rules = Rules {
        column: field.name().clone(),
        nullable: field.is_nullable(),
        empty_is_null,
        signature: Signature::any(1, Volatility::Immutable),
    };
    Expr::ScalarFunction(ScalarFunction::new_udf(ScalarUDF::new_from_impl(rules).into(), vec![value]))
}

/// A plan of the table's columns, in order, with each as the table takes it.
///
/// Each may be NULL, as far as the plan tells, whatever the rows are made of: what is planned on it (the condition of
/// REPLACE WHERE) is also asked of the table's own rows, and there `x IS NULL` must not be folded to false.
pub(super) fn project(plan: LogicalPlan, table: &SchemaRef, partitions: &[String]) -> Result<LogicalPlan> {
    let columns = plan.schema().columns().into_iter().zip(table.fields());
    let values: Vec<Expr> = columns
        .map(|(column, field)| {
            let empty_is_null = is_text_in_a_path(field, partitions);
            checked(Expr::Column(column), field, empty_is_null).alias(field.name())
        })
        .collect();
    Ok(LogicalPlanBuilder::from(plan).project(values)?.build()?)
}

/// Text with NULL where it is empty.
pub(super) fn without_empty(array: &ArrayRef) -> Result<ArrayRef> {
    let empty: Option<BooleanArray> = match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().iter().map(|text| Some(text == Some(""))).collect()),
        DataType::LargeUtf8 => {
            Some(array.as_string::<i64>().iter().map(|text| Some(text == Some(""))).collect())
        }
        DataType::Utf8View => {
            Some(array.as_string_view().iter().map(|text| Some(text == Some(""))).collect())
        }
        _ => None,
    };
    match empty {
        Some(empty) => Ok(nullif(array, &empty)?),
        None => Ok(Arc::clone(array)),
    }
}

/// The rules of one column, as the engine's function of its value.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Rules {
    column: String,
    nullable: bool,
    empty_is_null: bool,
    signature: Signature,
}

impl Rules {
    fn apply(&self, array: ArrayRef) -> Result<ArrayRef> {
        // delta-rs scans partition columns as dictionaries.
        let array = match array.data_type() {
            DataType::Dictionary(_, values) => cast(&array, values)?,
            _ => array,
        };
        let array = if self.empty_is_null { without_empty(&array)? } else { array };
        if !self.nullable && array.logical_null_count() > 0 {
            return Err(LocalError::not_null_violated(&self.column));
        }
        Ok(array)
    }
}

impl ScalarUDFImpl for Rules {
    fn name(&self) -> &'static str {
        "stored_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> datafusion::common::Result<DataType> {
        match arguments.first() {
            Some(DataType::Dictionary(_, values)) => Ok(values.as_ref().clone()),
            Some(other) => Ok(other.clone()),
            None => Err(LocalError::internal("a stored value is of one argument").into()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion::common::Result<ColumnarValue> {
        let constant = matches!(args.args.first(), Some(ColumnarValue::Scalar(_))) && args.number_rows > 0;
        let rows = if constant { 1 } else { args.number_rows };
        let Some(value) = args.args.first() else {
            return Err(LocalError::internal("a stored value is of one argument").into());
        };
        let out = self.apply(value.to_array(rows)?)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&out, 0)?));
        }
        Ok(ColumnarValue::Array(out))
    }
}
