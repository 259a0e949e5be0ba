//! Parameters of a statement: typed by their SQL type text, bound by name or by position.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use databricks_testkit::Parameter;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;

use super::types::Typed;
use super::{cast, scope, types};
use crate::error::{LocalError, Result};

/// The values of a statement's markers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters {
    named: HashMap<String, ScalarValue>,
    ordinal: HashMap<u32, ScalarValue>,
}

impl Parameters {
    /// Reads the parameters of a request. `sql_type` is STRING when not given; a missing value is NULL.
    ///
    /// # Errors
    /// CAST_INVALID_INPUT for a value that is none of its type, UNSUPPORTED_DATATYPE for a type that is none.
    pub(crate) fn from_request(parameters: &[Parameter]) -> Result<Self> {
        let mut all = Self::default();
        let mut position = 0;
        for parameter in parameters {
            let value = value(parameter.sql_type.as_deref(), parameter.value.as_deref())?;
            match &parameter.name {
                Some(name) => {
                    all.named.insert(name.to_lowercase(), value);
                }
                None => {
                    position = parameter.ordinal.unwrap_or(position + 1);
                    all.ordinal.insert(position, value);
                }
            }
        }
        Ok(all)
    }

    /// The literal for a marker: `:name` or `?n`.
    pub(super) fn get(&self, marker: &str) -> Result<Typed> {
        let value = match marker.strip_prefix('?') {
            Some(number) => number.parse().ok().and_then(|n: u32| self.ordinal.get(&n)),
            None => {
                let name = marker.trim_start_matches(':');
                self.named.iter().find(|(known, _)| scope::same(known, name)).map(|(_, value)| value)
            }
        };
        let value = value.ok_or_else(|| LocalError::unbound_parameter(marker.trim_start_matches(':')))?;
        Ok(Typed::new(Expr::Literal(value.clone(), None), value.data_type()))
    }
}

fn value(sql_type: Option<&str>, value: Option<&str>) -> Result<ScalarValue> {
    let ty = match sql_type {
        None => DataType::Utf8,
        Some(text) => types::parse(text)?,
    };
    let Some(value) = value else { return Ok(ScalarValue::try_new_null(&ty)?) };
    let text = Typed::new(Expr::Literal(ScalarValue::Utf8(Some(value.to_owned())), None), DataType::Utf8);
    if types::is_string(&ty) {
        return Ok(ScalarValue::Utf8(Some(value.to_owned())));
    }
    cast::constant(text, &ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_their_sql_type() {
        for (sql_type, text, expected) in [
            (None, Some("a"), ScalarValue::Utf8(Some("a".into()))),
            (Some("INT"), Some("7"), ScalarValue::Int32(Some(7))),
            (Some("BIGINT"), None, ScalarValue::Int64(None)),
            (Some("DECIMAL(5,2)"), Some("1.5"), ScalarValue::Decimal128(Some(150), 5, 2)),
            (Some("BOOLEAN"), Some("true"), ScalarValue::Boolean(Some(true))),
            (Some("DATE"), Some("1970-01-02"), ScalarValue::Date32(Some(1))),
        ] {
            assert_eq!(value(sql_type, text).unwrap(), expected);
        }
    }

    #[test]
    fn a_value_that_is_none_of_its_type_is_named() {
        let error = value(Some("INT"), Some("seven")).unwrap_err();
        assert_eq!(error.class(), "CAST_INVALID_INPUT");
        assert!(error.message().contains("'seven'"), "{error}");
    }
}
