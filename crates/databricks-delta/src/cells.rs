//! Rows of a statement's answer by column name, so that columns a server adds are passed over.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::error::{DeltaError, Result};

/// One row of an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row(Map<String, Value>);

/// All rows of an answer. Timestamps become microseconds since 1970, nested values JSON.
pub(crate) fn rows(batches: &[RecordBatch]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<(String, Vec<Value>)> = batch
            .schema()
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| Ok((field.name().clone(), values(column)?)))
            .collect::<Result<_>>()?;
        let mut columns: Vec<_> =
            columns.into_iter().map(|(name, values)| (name, values.into_iter())).collect();
        for _ in 0..batch.num_rows() {
            let row =
                columns.iter_mut().map(|(name, values)| (name.clone(), values.next().unwrap_or_default()));
            rows.push(Row(row.collect()));
        }
    }
    Ok(rows)
}

impl Row {
    pub(crate) fn of(value: Option<&Value>) -> Self {
        match value {
            Some(Value::Object(fields)) => Self(fields.clone()),
            // Nested values come as JSON text when a result is inline.
            Some(Value::String(text)) => serde_json::from_str(text).map(Self).unwrap_or_default(),
            _ => Self::default(),
        }
    }

    pub(crate) fn text(&self, column: &str) -> Option<String> {
        match self.0.get(column)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// A whole number. The values of maps of text, such as operation metrics, are numbers as text.
    pub(crate) fn int(&self, column: &str) -> Option<i64> {
        match self.0.get(column)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn count(&self, column: &str) -> u64 {
        self.int(column).and_then(|count| u64::try_from(count).ok()).unwrap_or_default()
    }

    pub(crate) fn boolean(&self, column: &str) -> Option<bool> {
        match self.0.get(column)? {
            Value::Bool(value) => Some(*value),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn time(&self, column: &str) -> Option<DateTime<Utc>> {
        match self.0.get(column)? {
            Value::Number(microseconds) => DateTime::from_timestamp_micros(microseconds.as_i64()?),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn nested(&self, column: &str) -> Row {
        Self::of(self.0.get(column))
    }

    /// A map of text to text; what is not text is kept as its JSON.
    pub(crate) fn map(&self, column: &str) -> BTreeMap<String, String> {
        let fields = self.nested(column);
        fields.0.keys().filter_map(|key| Some((key.clone(), fields.text(key)?))).collect()
    }

    pub(crate) fn list(&self, column: &str) -> Vec<String> {
        let parsed = match self.0.get(column) {
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
            Some(other) => other.clone(),
            None => Value::Null,
        };
        let items = parsed.as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }
}

fn values(column: &ArrayRef) -> Result<Vec<Value>> {
    let rows = 0..column.len();
    Ok(match column.data_type() {
        DataType::Null => rows.map(|_| Value::Null).collect(),
        DataType::Boolean => column.as_boolean().iter().map(Value::from).collect(),
        DataType::Timestamp(_, zone) => {
            let microseconds = converted(column, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            microseconds.as_primitive::<TimestampMicrosecondType>().iter().map(Value::from).collect()
        }
        data_type if data_type.is_integer() => {
            converted(column, &DataType::Int64)?.as_primitive::<Int64Type>().iter().map(Value::from).collect()
        }
        DataType::Struct(fields) => {
            let columns = column.as_struct();
            let nested: Vec<_> = fields
                .iter()
                .zip(columns.columns())
                .map(|(field, column)| Ok((field.name(), values(column)?)))
                .collect::<Result<_>>()?;
            rows.map(|row| when_valid(column, row, || object(&nested, row))).collect()
        }
        DataType::Map(..) => {
            let entries = column.as_map();
            rows.map(
                |row| if column.is_null(row) { Ok(Value::Null) } else { map_entries(&entries.value(row)) },
            )
            .collect::<Result<_>>()?
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            rows.map(|row| {
                if column.is_null(row) {
                    Ok(Value::Null)
                } else {
                    Ok(Value::Array(values(&lists.value(row))?))
                }
            })
            .collect::<Result<_>>()?
        }
        _ => converted(column, &DataType::Utf8)?.as_string::<i32>().iter().map(Value::from).collect(),
    })
}

fn when_valid(column: &ArrayRef, row: usize, value: impl FnOnce() -> Value) -> Value {
    if column.is_null(row) { Value::Null } else { value() }
}

fn object(fields: &[(&String, Vec<Value>)], row: usize) -> Value {
    Value::Object(
        fields
            .iter()
            .map(|(name, values)| ((*name).clone(), values.get(row).cloned().unwrap_or_default()))
            .collect(),
    )
}

fn map_entries(entries: &arrow::array::StructArray) -> Result<Value> {
    let [keys, items] = entries.columns() else {
        return Err(DeltaError::data("a map has not two columns"));
    };
    let keys = converted(keys, &DataType::Utf8)?;
    let keys = keys.as_string::<i32>().iter().map(|key| key.unwrap_or_default().to_owned());
    Ok(Value::Object(keys.zip(values(items)?).collect()))
}

fn converted(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    cast(column, data_type).map_err(DeltaError::data)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::{
        Int32Array, MapBuilder, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::Field;

    use super::*;

    fn row(column: ArrayRef) -> Row {
        rows(&[RecordBatch::try_from_iter_with_nullable([("x", column, true)]).unwrap()]).unwrap().remove(0)
    }

    #[test]
    fn a_map_is_read_from_arrow_and_from_json_text() {
        let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        map.keys().append_value("mode");
        map.values().append_value("Append");
        map.append(true).unwrap();
        let expected = BTreeMap::from([("mode".to_owned(), "Append".to_owned())]);
        assert_eq!(row(Arc::new(map.finish())).map("x"), expected);
        assert_eq!(row(Arc::new(StringArray::from(vec![r#"{"mode":"Append"}"#]))).map("x"), expected);
        assert_eq!(row(Arc::new(StringArray::from(vec![None::<&str>]))).map("x"), BTreeMap::new());
    }

    #[test]
    fn times_keep_their_instant_whatever_the_zone() {
        let at = TimestampMicrosecondArray::from(vec![1_767_225_600_000_000]).with_timezone("Etc/UTC");
        assert_eq!(row(Arc::new(at)).time("x").unwrap().to_rfc3339(), "2026-01-01T00:00:00+00:00");
        let text = StringArray::from(vec!["2026-01-01T02:00:00.000+02:00"]);
        assert_eq!(row(Arc::new(text)).time("x").unwrap().to_rfc3339(), "2026-01-01T00:00:00+00:00");
    }

    #[test]
    fn numbers_nested_in_structs_are_read_by_name() {
        let files = Arc::new(Int32Array::from(vec![3])) as ArrayRef;
        let metrics =
            StructArray::from(vec![(Arc::new(Field::new("numFilesAdded", DataType::Int32, true)), files)]);
        let row = row(Arc::new(metrics));
        assert_eq!((row.nested("x").count("numFilesAdded"), row.nested("x").count("other")), (3, 0));
        let text = StringArray::from(vec![r#"{"numFilesAdded": 4}"#]);
        assert_eq!(
            super::rows(&[RecordBatch::try_from_iter([("x", Arc::new(text) as ArrayRef)]).unwrap()]).unwrap()
                [0]
            .nested("x")
            .count("numFilesAdded"),
            4
        );
    }
}
