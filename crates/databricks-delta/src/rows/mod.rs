//! Rows as callers have them (values of a serde type), turned into columns or into literals.

#[cfg(test)]
mod laws;
mod literals;
mod names;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType as ArrowType, FieldRef};
use serde::Serialize;

pub(crate) use names::Names;

use crate::error::{DeltaError, Result};

/// Rows whose type is forgotten, so that the code behind the public functions exists once.
pub(crate) trait Rows: Send + Sync {
    fn len(&self) -> usize;

    /// Adds the names of the fields of these rows.
    fn collect_names(&self, range: Range<usize>, names: &mut Names) -> Result<()>;

    /// Finds out the types from the rows themselves.
    fn infer_fields(&self) -> Result<Vec<FieldRef>>;

    /// Turns rows into columns of the given types. A field that a row lacks is NULL.
    fn encode(&self, range: Range<usize>, fields: &[FieldRef]) -> Result<RecordBatch>;

    /// One row as SQL literals in the order of `names`; none when a value has no literal (it is nested).
    fn literals(&self, row: usize, names: &[String]) -> Result<Option<Vec<String>>>;
}

/// A caller's slice as [`Rows`].
pub(crate) struct Slice<'a, T>(pub(crate) &'a [T]);

impl<T> fmt::Debug for Slice<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slice({} rows)", self.0.len())
    }
}

impl<T: Serialize + Sync> Rows for Slice<'_, T> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn collect_names(&self, range: Range<usize>, names: &mut Names) -> Result<()> {
        self.0.get(range).unwrap_or_default().iter().try_for_each(|row| names.add_row(row))
    }

    fn infer_fields(&self) -> Result<Vec<FieldRef>> {
        // Rows that are maps have columns only when maps are read as structs; nested maps of rows that are structs stay
        // maps.
        let are_maps = self.0.first().is_some_and(names::is_map);
        let fields = databricks_schema::infer_fields(self.0, are_maps).map_err(DeltaError::data)?;
        Ok(fields.iter().map(with_column_type).collect())
    }

    fn encode(&self, range: Range<usize>, fields: &[FieldRef]) -> Result<RecordBatch> {
        let rows = self.0.get(range.clone()).unwrap_or_default();
        serde_arrow::to_record_batch(fields, &rows).map_err(|error| DeltaError::Encode {
            first_row: range.start as u64,
            last_row: range.end.saturating_sub(1) as u64,
            message: error.to_string(),
        })
    }

    fn literals(&self, row: usize, names: &[String]) -> Result<Option<Vec<String>>> {
        match self.0.get(row) {
            Some(row) => literals::row_literals(row, names),
            None => Ok(None),
        }
    }
}

/// The field as a column can hold it.
///
/// A field that is NULL in every row has no type of its own, and Parquet readers dislike one without a type: it is
/// text. Databricks has no unsigned integers, and every number of JSON that is not below 0 is one: the next wider type
/// holds them, BIGINT the widest, into which larger ones do not fit when they are encoded.
fn with_column_type(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        ArrowType::Null => ArrowType::Utf8,
        ArrowType::UInt8 => ArrowType::Int16,
        ArrowType::UInt16 => ArrowType::Int32,
        ArrowType::UInt32 | ArrowType::UInt64 => ArrowType::Int64,
        ArrowType::List(element) => ArrowType::List(with_column_type(element)),
        ArrowType::Map(entries, sorted) => ArrowType::Map(with_column_type(entries), *sorted),
        ArrowType::Struct(fields) => ArrowType::Struct(fields.iter().map(with_column_type).collect()),
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

/// The names of all rows' fields, in the order in which they are first seen.
///
/// All rows are looked at (a field can be skipped in some); other tasks get their turn in between.
pub(crate) async fn column_names(rows: &dyn Rows) -> Result<Vec<String>> {
    const ROWS_AT_A_TIME: usize = 20_000;
    let mut names = Names::default();
    for start in (0..rows.len()).step_by(ROWS_AT_A_TIME) {
        let end = rows.len().min(start + ROWS_AT_A_TIME);
        rows.collect_names(start..end, &mut names)?;
        tokio::task::yield_now().await;
    }
    Ok(names.into_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use arrow::array::AsArray;
    use arrow::datatypes::Field;

    use super::*;

    #[derive(Serialize)]
    struct Reading {
        day: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        wind: Option<f64>,
        price: &'static str,
    }

    fn readings() -> Vec<Reading> {
        vec![
            Reading { day: "2026-01-01", wind: None, price: "1.005" },
            Reading { day: "2026-01-02", wind: Some(2.5), price: "2" },
        ]
    }

    fn field(name: &str, data_type: ArrowType) -> FieldRef {
        Arc::new(Field::new(name, data_type, true))
    }

    #[tokio::test]
    async fn a_field_that_only_some_rows_have_is_a_column() {
        let readings = readings();
        let rows = Slice(&readings);
        assert_eq!(column_names(&rows).await.unwrap(), ["day", "price", "wind"]);
        let fields = [field("day", ArrowType::Date32), field("wind", ArrowType::Float64)];
        let batch = rows.encode(0..2, &fields).unwrap();
        assert!(batch.column(1).is_null(0));
        assert_eq!(batch.column(0).as_primitive::<arrow::datatypes::Date32Type>().value(0), 20454);
    }

    #[test]
    fn a_value_that_does_not_fit_names_its_rows_and_field() {
        let readings = readings();
        let error = Slice(&readings).encode(1..2, &[field("price", ArrowType::Date32)]).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("rows 1 to 1 of the data do not fit") && text.contains("price"), "{text}");
    }

    #[test]
    fn rows_that_are_maps_have_columns() {
        let rows = vec![BTreeMap::from([("a", 1), ("b", 2)])];
        let fields = Slice(&rows).infer_fields().unwrap();
        assert_eq!(fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let batch = Slice(&rows).encode(0..1, &fields).unwrap();
        assert_eq!((batch.num_rows(), batch.num_columns()), (1, 2));
    }

    #[test]
    fn numbers_that_are_never_below_0_get_a_type_that_the_server_has() {
        #[derive(Serialize)]
        struct Row {
            a: u8,
            b: u16,
            c: u32,
            d: u64,
            e: Vec<BTreeMap<String, u16>>,
        }
        let row =
            |d| Row { a: 255, b: 65_535, c: u32::MAX, d, e: vec![BTreeMap::from([("k".to_owned(), 1)])] };
        let rows = [row(i64::MAX as u64), row(u64::MAX)];
        let fields = Slice(&rows).infer_fields().unwrap();
        let types: Vec<_> = fields.iter().map(|field| field.data_type().clone()).collect();
        assert_eq!(types[..4], [ArrowType::Int16, ArrowType::Int32, ArrowType::Int64, ArrowType::Int64]);
        assert!(!types[4].to_string().contains("UInt"), "{}", types[4]);
        Slice(&rows).encode(0..1, &fields).unwrap();
        let error = Slice(&rows).encode(1..2, &fields).unwrap_err();
        assert!(matches!(error, DeltaError::Encode { first_row: 1, .. }), "{error}");
    }

    #[test]
    fn a_field_that_is_always_null_is_text() {
        #[derive(Serialize)]
        struct Row {
            id: i32,
            gone: Option<bool>,
        }
        let rows = [Row { id: 1, gone: None }];
        let fields = Slice(&rows).infer_fields().unwrap();
        assert_eq!(
            fields.iter().map(|field| field.data_type().clone()).collect::<Vec<_>>(),
            [ArrowType::Int32, ArrowType::Utf8]
        );
    }
}
