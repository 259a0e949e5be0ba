//! Columns by their type, at any depth of structs: those of which files keep no statistics.

use arrow::datatypes::{DataType, Field, Schema};

/// The paths of all `FLOAT` and `DOUBLE` columns, those in structs among them, as Parquet names columns.
///
/// The least and greatest value that Parquet keeps of a column pass over NaN, which Databricks holds to be greater than
/// every other number. A reader that skips files or row groups by them loses rows, so the files of this workspace have
/// none for these columns. Lists and maps have none that anybody reads.
///
/// ```
/// use databricks_schema::TableSchema;
/// use databricks_schema::arrow::floating_columns;
///
/// let schema = TableSchema::parse("id BIGINT, price DOUBLE, at STRUCT<x: FLOAT, name: STRING>")?.to_arrow()?;
/// assert_eq!(floating_columns(&schema), [vec!["price"], vec!["at", "x"]]);
/// # Ok::<(), databricks_schema::SchemaError>(())
/// ```
#[must_use]
pub fn floating_columns(schema: &Schema) -> Vec<Vec<String>> {
    columns_where(schema, |data_type| data_type.is_floating())
}

/// The paths of all columns of a type, those in structs among them and those in lists and maps not.
#[must_use]
pub fn columns_where(schema: &Schema, is_meant: impl Fn(&DataType) -> bool) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    schema.fields().iter().for_each(|field| collect(field, &[], &is_meant, &mut found));
    found
}

fn collect(
    field: &Field,
    parent: &[String],
    is_meant: &dyn Fn(&DataType) -> bool,
    found: &mut Vec<Vec<String>>,
) {
    let path = [parent, std::slice::from_ref(field.name())].concat();
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().for_each(|field| collect(field, &path, is_meant, found)),
        data_type if is_meant(data_type) => found.push(path),
        _ => {}
    }
}
