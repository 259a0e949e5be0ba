//! What runs per batch where the engine's own function would answer differently, or not at all.
//!
//! A kernel is a plain function of arrays whose types the planner has already settled; errors carry their
//! Databricks class through the engine.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, StringArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    expr::ScalarFunction,
};

use super::types::Typed;
use crate::error::{LocalError, Result};

pub(super) mod arithmetic;
pub(super) mod cast_text;
pub(super) mod casts;
pub(super) mod dates;
pub(super) mod decimals;
pub(super) mod extremes;
pub(super) mod floats;
pub(super) mod math;
pub(super) mod nested;
pub(super) mod strings;

/// Arrays of equal length and the type to return -> an array of that type and length.
pub(super) type Eval = fn(&[ArrayRef], &DataType) -> Result<ArrayRef>;

/// A kernel as the engine's function.
#[derive(Debug)]
struct Kernel {
    name: &'static str,
    returns: DataType,
    signature: Signature,
    eval: Eval,
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.returns == other.returns
    }
}

impl Eq for Kernel {}

impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.returns.hash(state);
    }
}

impl ScalarUDFImpl for Kernel {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> datafusion::common::Result<DataType> {
        Ok(self.returns.clone())
    }

    // The engine's own spelling of a call costs many times the stack, and calls nest.
    #[recursive::recursive]
    fn schema_name(&self, args: &[Expr]) -> datafusion::common::Result<String> {
        let args: Vec<_> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
        Ok(format!("{}({})", self.name, args.join(",")))
    }

    #[recursive::recursive]
    fn display_name(&self, args: &[Expr]) -> datafusion::common::Result<String> {
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        Ok(format!("{}({})", self.name, args.join(", ")))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion::common::Result<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|a| unpacked(a.to_array(rows)?))
            .collect::<datafusion::common::Result<_>>()?;
        let out = one_nan((self.eval)(&arrays, &self.returns)?);
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&out, 0)?));
        }
        Ok(ColumnarValue::Array(out))
    }
}

/// The values of a dictionary and of views, which is how delta-rs' builders scan columns; other arrays as they are.
fn unpacked(array: ArrayRef) -> datafusion::common::Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, values) => Ok(arrow::compute::cast(&array, values)?),
        DataType::Utf8View => Ok(arrow::compute::cast(&array, &DataType::Utf8)?),
        DataType::BinaryView => Ok(arrow::compute::cast(&array, &DataType::Binary)?),
        _ => Ok(array),
    }
}

/// The array with one NaN for all. What a processor makes of `sqrt(-1)` may have a sign, and the engine, which looks at
/// the bits, would put it before all numbers and tell it from the NaN of others.
fn one_nan(array: ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float32 => {
            let floats = array.as_primitive::<Float32Type>();
            let signed = floats.values().iter().any(|v| v.is_nan() && v.is_sign_negative());
            let plain = |v: f32| if v.is_nan() { f32::NAN } else { v };
            if signed { Arc::new(floats.unary::<_, Float32Type>(plain)) } else { array }
        }
        DataType::Float64 => {
            let doubles = array.as_primitive::<Float64Type>();
            let signed = doubles.values().iter().any(|v| v.is_nan() && v.is_sign_negative());
            let plain = |v: f64| if v.is_nan() { f64::NAN } else { v };
            if signed { Arc::new(doubles.unary::<_, Float64Type>(plain)) } else { array }
        }
        _ => array,
    }
}

/// The value as it is, in a form that the engine neither moves nor looks through.
pub(super) fn held(value: Expr, returns: DataType) -> Expr {
    let signature = Signature::any(1, Volatility::Volatile);
    let eval: Eval = |args, _| argument(args, 0).cloned();
    let kernel = Kernel { name: "held", returns, signature, eval };
    Expr::ScalarFunction(ScalarFunction::new_udf(ScalarUDF::new_from_impl(kernel).into(), vec![value]))
}

/// A call of a kernel. Constant arguments are worked out now, unless that fails: then it fails when it runs, and
/// only if it runs.
pub(super) fn call(name: &'static str, eval: Eval, args: Vec<Expr>, returns: DataType) -> Typed {
    if let Some(value) = constant(eval, &args, &returns) {
        return Typed::new(Expr::Literal(value, None), returns);
    }
    let signature = Signature::any(args.len(), Volatility::Immutable);
    let kernel = Kernel { name, returns: returns.clone(), signature, eval };
    let function = ScalarFunction::new_udf(ScalarUDF::new_from_impl(kernel).into(), args);
    Typed::new(Expr::ScalarFunction(function), returns)
}

fn constant(eval: Eval, args: &[Expr], returns: &DataType) -> Option<ScalarValue> {
    try_constant(eval, args, returns).and_then(Result::ok)
}

/// The value of a call with literal arguments only.
pub(super) fn try_constant(eval: Eval, args: &[Expr], returns: &DataType) -> Option<Result<ScalarValue>> {
    let arrays: Vec<ArrayRef> = args
        .iter()
        .map(|arg| match arg {
            Expr::Literal(value, _) => value.to_array_of_size(1).ok(),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let out = eval(&arrays, returns).and_then(|array| Ok(ScalarValue::try_from_array(&one_nan(array), 0)?));
    Some(out)
}

/// The n-th argument.
pub(super) fn argument(args: &[ArrayRef], n: usize) -> Result<&ArrayRef> {
    args.get(n).ok_or_else(|| LocalError::internal("a function was called with too few arguments"))
}

/// The n-th argument as numbers, dates or timestamps.
pub(super) fn numbers<T: ArrowPrimitiveType>(args: &[ArrayRef], n: usize) -> Result<&PrimitiveArray<T>> {
    argument(args, n)?.as_primitive_opt().ok_or_else(|| wrong_type(args, n))
}

/// The n-th argument as text.
pub(super) fn text(args: &[ArrayRef], n: usize) -> Result<&StringArray> {
    argument(args, n)?.as_string_opt::<i32>().ok_or_else(|| wrong_type(args, n))
}

fn wrong_type(args: &[ArrayRef], n: usize) -> LocalError {
    let ty = args.get(n).map(|a| a.data_type().to_string()).unwrap_or_default();
    LocalError::internal(format!("argument {n} of a function has the type {ty}"))
}

/// One number of one, NULL of NULL.
pub(super) fn map1<A, O>(
    args: &[ArrayRef],
    op: impl Fn(A::Native) -> Result<Option<O::Native>>,
) -> Result<PrimitiveArray<O>>
where
    A: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
{
    numbers::<A>(args, 0)?.iter().map(|v| v.map_or(Ok(None), &op)).collect()
}

/// One number of two, NULL of any NULL.
pub(super) fn map2<A, B, O>(
    args: &[ArrayRef],
    op: impl Fn(A::Native, B::Native) -> Result<Option<O::Native>>,
) -> Result<PrimitiveArray<O>>
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
{
    let (left, right) = (numbers::<A>(args, 0)?, numbers::<B>(args, 1)?);
    left.iter()
        .zip(right.iter())
        .map(|pair| match pair {
            (Some(a), Some(b)) => op(a, b),
            _ => Ok(None),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::Arc;

    use arrow::array::DictionaryArray;
    use arrow::datatypes::{Field, UInt16Type};
    use datafusion::common::config::ConfigOptions;

    use super::*;

    #[test]
    fn values_in_a_dictionary_are_values() {
        let column = Expr::Column(datafusion::common::Column::new_unqualified("p"));
        let call =
            call("upper", |args, _| Ok(Arc::new(text(args, 0)?.clone())), vec![column], DataType::Utf8);
        let Expr::ScalarFunction(call) = call.expr else { panic!("no call") };
        let packed: DictionaryArray<UInt16Type> = ["a", "b", "a"].into_iter().collect();
        let ty = packed.data_type().clone();
        let out = call.func.invoke_with_args(ScalarFunctionArgs {
            args: vec![ColumnarValue::Array(Arc::new(packed))],
            arg_fields: vec![Arc::new(Field::new("p", ty, true))],
            number_rows: 3,
            return_field: Arc::new(Field::new("out", DataType::Utf8, true)),
            config_options: Arc::new(ConfigOptions::default()),
        });
        let ColumnarValue::Array(out) = out.unwrap() else { panic!("no array") };
        assert_eq!(out.as_string::<i32>(), &StringArray::from(vec!["a", "b", "a"]));
    }
}
