//! Schemas inferred from serde types, from rows and from record batches.

use std::any::type_name;
use std::sync::Arc;

use ::arrow::array::RecordBatch;
use ::arrow::datatypes::{DataType as Arrow, Field, FieldRef, Fields};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_arrow::schema::{SchemaLike, TracingOptions};

use crate::{Result, SchemaError, TableSchema};

/// The schema of a table that holds rows of a type, from the type alone.
///
/// Every column may be NULL, at every depth: that is how columns are added to tables, and it is for the caller to say
/// which ones must never be ([`TableSchema::with_not_null`]). Unsigned integers get the next wider type (`u64` becomes
/// `DECIMAL(20,0)`), enums without data are `STRING`, maps with keys of one type are `MAP`.
///
/// ```
/// use std::collections::HashMap;
///
/// #[derive(serde::Deserialize)]
/// struct Reading {
///     station: u32,
///     celsius: Option<f64>,
///     tags: HashMap<String, Vec<String>>,
/// }
///
/// let schema = databricks_schema::infer_schema::<Reading>()?;
/// assert_eq!(
///     schema.to_string(),
///     "`station` BIGINT, `celsius` DOUBLE, `tags` MAP<STRING, ARRAY<STRING>>"
/// );
/// # Ok::<(), databricks_schema::SchemaError>(())
/// ```
///
/// # Errors
/// [`SchemaError::Inference`] for a type whose shape depends on its values (a JSON value, an untagged enum): infer it
/// from rows then, with [`infer_schema_of`].
pub fn infer_schema<T: DeserializeOwned>() -> Result<TableSchema> {
    let fields = Vec::<FieldRef>::from_type::<T>(options()).map_err(|error| {
        failed::<T>(format!(
            "{error}; if its shape depends on its values, infer it from rows (`infer_schema_of`)"
        ))
    })?;
    schema_of(&fields)
}

/// The schema of a table that holds such rows, from the rows themselves: all of them are looked at.
///
/// As with [`infer_schema`], every column may be NULL. A field that is NULL in every row has no type: it is `VOID`, which
/// no table holds, and an evolution refuses it by name.
///
/// # Errors
/// [`SchemaError::Inference`] for rows without fields, and for fields that hold values of types that do not go together.
pub fn infer_schema_of<T: Serialize>(rows: &[T]) -> Result<TableSchema> {
    // Rows that are maps have columns only when maps are read as structs.
    let fields = infer_fields(rows, false).or_else(|_| infer_fields(rows, true))?;
    schema_of(&fields)
}

/// The Arrow fields of such rows, as `serde_arrow` writes rows into them: text, lists and bytes with small offsets,
/// enums without data as text, and unsigned integers as they are.
///
/// With `maps_as_structs` each map is a struct of its keys: so rows that are maps have columns.
///
/// # Errors
/// As [`infer_schema_of`].
pub fn infer_fields<T: Serialize>(rows: &[T], maps_as_structs: bool) -> Result<Vec<FieldRef>> {
    Vec::<FieldRef>::from_samples(rows, options().map_as_struct(maps_as_structs))
        .map_err(|error| failed::<T>(error.to_string()))
}

/// The schema of a table that holds these batches, which must have one schema.
///
/// As with [`infer_schema`], every column may be NULL.
///
/// # Errors
/// [`SchemaError::Inference`] without a batch, and when two batches differ; [`SchemaError::UnsupportedArrowType`] for
/// types that Databricks lacks.
pub fn infer_schema_of_batches<'a>(
    batches: impl IntoIterator<Item = &'a RecordBatch>,
) -> Result<TableSchema> {
    let failed = |reason: String| SchemaError::Inference { what: "record batches".to_owned(), reason };
    let mut batches = batches.into_iter().enumerate();
    let Some((_, first)) = batches.next() else {
        return Err(failed(
            "there is no batch; the schema of an empty stream is told by its reader".to_owned(),
        ));
    };
    let schema = TableSchema::from_arrow(&first.schema())?;
    for (index, batch) in batches {
        let other = TableSchema::from_arrow(&batch.schema())?;
        if other != schema {
            return Err(failed(format!(
                "batch {index} (from 0) has the columns ({other}), the first has ({schema})"
            )));
        }
    }
    Ok(schema.all_nullable())
}

fn options() -> TracingOptions {
    TracingOptions::default()
        .allow_null_fields(true)
        .strings_as_large_utf8(false)
        .sequence_as_large_list(false)
        .bytes_as_large_binary(false)
        .enums_without_data_as_strings(true)
        .coerce_numbers(true)
        .map_as_struct(false)
}

fn schema_of(fields: &[FieldRef]) -> Result<TableSchema> {
    let fields: Vec<Field> = fields.iter().map(|field| signed(field)).collect();
    let schema = ::arrow::datatypes::Schema::new(fields);
    Ok(TableSchema::from_arrow(&schema)?.all_nullable())
}

/// The field with signed integers that hold all values of its unsigned ones.
fn signed(field: &Field) -> Field {
    let part = |field: &FieldRef| Arc::new(signed(field));
    let data_type = match field.data_type() {
        Arrow::UInt8 => Arrow::Int16,
        Arrow::UInt16 => Arrow::Int32,
        Arrow::UInt32 => Arrow::Int64,
        Arrow::UInt64 => Arrow::Decimal128(20, 0),
        Arrow::List(element) => Arrow::List(part(element)),
        Arrow::LargeList(element) => Arrow::LargeList(part(element)),
        Arrow::FixedSizeList(element, size) => Arrow::FixedSizeList(part(element), *size),
        Arrow::Map(entries, sorted) => Arrow::Map(part(entries), *sorted),
        Arrow::Struct(fields) => Arrow::Struct(fields.iter().map(part).collect::<Fields>()),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

fn failed<T>(reason: String) -> SchemaError {
    SchemaError::Inference { what: type_name::<T>().to_owned(), reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::{BTreeMap, HashMap};

    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize)]
    enum Kind {
        Rain,
        Snow,
    }

    #[derive(Serialize, Deserialize)]
    struct Row {
        a: u8,
        b: u16,
        c: u64,
        d: Option<i8>,
        kind: Kind,
        nested: Nested,
        list: Vec<Nested>,
        map: HashMap<String, u32>,
    }

    #[derive(Serialize, Deserialize)]
    struct Nested {
        x: f32,
        y: Option<bool>,
    }

    const ROW: &str = "`a` SMALLINT, `b` INT, `c` DECIMAL(20,0), `d` TINYINT, `kind` STRING, \
        `nested` STRUCT<x: FLOAT, y: BOOLEAN>, `list` ARRAY<STRUCT<x: FLOAT, y: BOOLEAN>>, `map` MAP<STRING, BIGINT>";

    fn row(kind: Kind) -> Row {
        let nested = || Nested { x: 1.0, y: Some(true) };
        let (list, map) = (vec![nested()], HashMap::from([("k".to_owned(), 1)]));
        Row { a: 1, b: 2, c: 3, d: Some(4), kind, nested: nested(), list, map }
    }

    #[test]
    fn a_type_and_its_rows_tell_the_same_schema() {
        assert_eq!(infer_schema::<Row>().unwrap().to_string(), ROW);
        assert_eq!(infer_schema_of(&[row(Kind::Rain), row(Kind::Snow)]).unwrap().to_string(), ROW);
    }

    #[test]
    fn rows_that_are_maps_have_their_keys_for_columns() {
        let rows = [BTreeMap::from([("a", 1_i64)]), BTreeMap::from([("a", 2), ("b", 3)])];
        assert_eq!(infer_schema_of(&rows).unwrap().to_string(), "`a` BIGINT, `b` BIGINT");
        let rows = [serde_json::json!({"a": "x", "b": null}), serde_json::json!({"a": null, "b": null})];
        assert_eq!(infer_schema_of(&rows).unwrap().to_string(), "`a` STRING, `b` VOID");
    }

    #[test]
    fn what_has_no_schema_is_named_with_the_remedy() {
        let error = infer_schema::<serde_json::Value>().unwrap_err().to_string();
        assert!(error.contains("serde_json::value::Value") && error.contains("infer_schema_of"), "{error}");
        let error = infer_schema_of(&[1, 2]).unwrap_err();
        assert!(matches!(error, SchemaError::Inference { .. }), "{error}");
    }

    #[test]
    fn batches_must_agree() {
        let batch = |name: &str| {
            let fields = vec![Field::new(name, Arrow::Int64, false)];
            RecordBatch::new_empty(Arc::new(::arrow::datatypes::Schema::new(fields)))
        };
        let same = [batch("a"), batch("a")];
        assert_eq!(infer_schema_of_batches(&same).unwrap().to_string(), "`a` BIGINT");
        let error = infer_schema_of_batches(&[batch("a"), batch("b")]).unwrap_err().to_string();
        assert!(error.contains("batch 1"), "{error}");
        assert!(infer_schema_of_batches([]).is_err());
    }
}
