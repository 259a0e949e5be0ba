//! The types a result may have on the wire, and the conversion of the engine's many Arrow types into them.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use databricks_testkit::Column;

use crate::error::{LocalError, Result};

/// The session's time zone, as Databricks names it in results.
const ZONE: &str = "Etc/UTC";

/// The schema a result has on the wire: no views, dictionaries, unsigned numbers or field metadata.
pub(super) fn wire_schema(schema: &Schema) -> SchemaRef {
    let fields: Fields =
        schema.fields().iter().map(|f| Field::new(f.name(), wire_type(f.data_type(), ZONE), true)).collect();
    Arc::new(Schema::new(fields))
}

/// The columns of a wire schema in the API's terms.
///
/// # Errors
/// `[UNSUPPORTED_FEATURE]` for a type that Databricks does not have.
pub(super) fn columns(schema: &Schema) -> Result<Vec<Column>> {
    schema.fields().iter().map(|field| column(field)).collect()
}

fn column(field: &Field) -> Result<Column> {
    let data_type =
        databricks_schema::arrow::from_arrow(&wire_type(field.data_type(), "UTC")).map_err(|error| {
            LocalError::unsupported_feature(format_args!(
                "the type of the result column `{}`: {error}",
                field.name()
            ))
        })?;
    Ok(Column::new(field.name(), data_type.to_string()))
}

/// A batch of the engine, in the wire schema.
///
/// # Errors
/// When a value has no place in its wire type (an unsigned number above the BIGINT range).
pub(super) fn to_wire(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(array, field)| convert(array, field.data_type()))
        .collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

fn convert(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(array, to, &options)?)
}

fn wire_type(from: &DataType, zone: &str) -> DataType {
    match from {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into())),
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Decimal256(p, s) => DataType::Decimal128((*p).min(38), (*s).min(38)),
        DataType::Dictionary(_, values) => wire_type(values, zone),
        DataType::RunEndEncoded(_, values) => wire_type(values.data_type(), zone),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => DataType::List(wire_field(item, zone)),
        DataType::Map(entries, sorted) => DataType::Map(wire_field(entries, zone), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|f| wire_field(f, zone)).collect()),
        other => other.clone(),
    }
}

fn wire_field(field: &Field, zone: &str) -> FieldRef {
    Arc::new(Field::new(field.name(), wire_type(field.data_type(), zone), field.is_nullable()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow::array::{StringViewArray, TimestampMicrosecondArray, UInt64Array};

    #[test]
    fn engine_types_become_types_that_every_client_reads() {
        let views: ArrayRef =
            Arc::new(StringViewArray::from(vec![Some("a long enough text for a view"), None]));
        let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![1, 2]));
        let instants: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0, 1]).with_timezone("UTC"));
        let batch = RecordBatch::try_from_iter([("s", views), ("n", unsigned), ("t", instants)]).unwrap();
        let schema = wire_schema(&batch.schema());
        let wire = to_wire(&batch, &schema).unwrap();
        let types: Vec<String> = wire.schema().fields().iter().map(|f| f.data_type().to_string()).collect();
        assert_eq!(types, ["Utf8", "Int64", "Timestamp(µs, \"Etc/UTC\")"]);
        let columns = columns(&schema).unwrap();
        let texts: Vec<_> = columns.iter().map(|c| (c.type_name.as_str(), c.type_text.as_str())).collect();
        assert_eq!(texts, [("STRING", "STRING"), ("LONG", "BIGINT"), ("TIMESTAMP", "TIMESTAMP")]);
    }

    #[test]
    fn a_number_that_does_not_fit_is_an_error() {
        let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        let batch = RecordBatch::try_from_iter([("n", unsigned)]).unwrap();
        assert!(to_wire(&batch, &wire_schema(&batch.schema())).is_err());
    }
}
