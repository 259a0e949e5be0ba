//! Scripted rows as Arrow: every column a text array, cast to the column's type.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::rows::Row;
use crate::engine::{Column, StatementFailure};

/// The zone of TIMESTAMP columns, as a workspace in UTC names it.
const SESSION_ZONE: &str = "Etc/UTC";

/// The rows as one Arrow IPC stream.
pub(super) fn encode(columns: &[Column], rows: &[Row]) -> Result<Bytes, StatementFailure> {
    let arrays: Result<Vec<ArrayRef>, StatementFailure> =
        columns.iter().enumerate().map(|(index, column)| array(column, cells(rows, index))).collect();
    write(columns, arrays?, rows.len()).map_err(|error| StatementFailure::internal(format!("Arrow: {error}")))
}

fn cells(rows: &[Row], index: usize) -> Vec<Option<&str>> {
    rows.iter().map(|row| row.get(index).and_then(Option::as_deref)).collect()
}

fn array(column: &Column, cells: Vec<Option<&str>>) -> Result<ArrayRef, StatementFailure> {
    let refuse = |detail: &dyn std::fmt::Display| {
        let Column { name, type_text, .. } = column;
        StatementFailure::internal(format!("The script's column '{name}' is not {type_text}: {detail}"))
    };
    let text = StringArray::from(cells.clone());
    let cast = |target: &DataType| {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(&text, target, &options).map_err(|error| refuse(&error))
    };
    match column.type_name.as_str() {
        "BYTE" => cast(&DataType::Int8),
        "SHORT" => cast(&DataType::Int16),
        "INT" => cast(&DataType::Int32),
        "LONG" => cast(&DataType::Int64),
        "FLOAT" => cast(&DataType::Float32),
        "DOUBLE" => cast(&DataType::Float64),
        "BOOLEAN" => cast(&DataType::Boolean),
        "DATE" => cast(&DataType::Date32),
        "DECIMAL" => {
            cast(&decimal(column).ok_or_else(|| refuse(&"precision is 1 to 38, scale 0 to precision"))?)
        }
        "TIMESTAMP_NTZ" => cast(&DataType::Timestamp(TimeUnit::Microsecond, None)),
        // Offsets are understood without a database of zones; the name is put on afterwards.
        "TIMESTAMP" => {
            cast(&DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))).and_then(|array| {
                let instants = array.as_any().downcast_ref::<TimestampMicrosecondArray>().cloned();
                let instants = instants.ok_or_else(|| refuse(&"the cast gave another type"))?;
                Ok(Arc::new(instants.with_timezone(SESSION_ZONE)) as ArrayRef)
            })
        }
        "BINARY" => binary(&cells).map_err(|error| refuse(&error)),
        "NULL" => cast(&DataType::Null),
        "STRING" | "CHAR" | "VARIANT" | "GEOMETRY" | "GEOGRAPHY" | "ARRAY" | "MAP" | "STRUCT" => {
            Ok(Arc::new(text))
        }
        other => Err(refuse(&format!("scripted rows cannot be {other} in Arrow; give chunks of your own"))),
    }
}

fn decimal(column: &Column) -> Option<DataType> {
    let precision = u8::try_from(column.precision?).ok().filter(|p| (1..=38).contains(p))?;
    let scale = i8::try_from(column.scale.unwrap_or(0)).ok()?;
    (i16::from(scale) <= i16::from(precision)).then_some(DataType::Decimal128(precision, scale))
}

/// Binary cells are base64 in a script.
fn binary(cells: &[Option<&str>]) -> Result<ArrayRef, base64::DecodeError> {
    let decoded: Result<Vec<Option<Vec<u8>>>, _> =
        cells.iter().map(|cell| cell.map(|text| STANDARD.decode(text)).transpose()).collect();
    let decoded = decoded?;
    Ok(Arc::new(decoded.iter().map(Option::as_deref).collect::<arrow::array::BinaryArray>()))
}

fn write(columns: &[Column], arrays: Vec<ArrayRef>, rows: usize) -> Result<Bytes, ArrowError> {
    let fields: Vec<Field> = columns
        .iter()
        .zip(&arrays)
        .map(|(column, array)| Field::new(&column.name, array.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    writer.finish()?;
    Ok(writer.into_inner()?.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow::ipc::reader::StreamReader;

    fn decode(bytes: &Bytes) -> RecordBatch {
        let mut batches = StreamReader::try_new(bytes.as_ref(), None).unwrap();
        batches.next().unwrap().unwrap()
    }

    #[test]
    fn cells_become_values_of_the_columns_type() {
        let cases = [
            ("TINYINT", "-7", "Int8"),
            ("BIGINT", "9007199254740993", "Int64"),
            ("DOUBLE", "0.1", "Float64"),
            ("DECIMAL(18,2)", "12.50", "Decimal128(18, 2)"),
            ("BOOLEAN", "true", "Boolean"),
            ("DATE", "2024-02-29", "Date32"),
            ("TIMESTAMP_NTZ", "2024-02-29 01:02:03.000004", "Timestamp(µs)"),
            ("STRING", "text", "Utf8"),
            ("ARRAY<INT>", "[1,2]", "Utf8"),
            ("BINARY", "aGk=", "Binary"),
        ];
        for (type_text, cell, arrow_type) in cases {
            let columns = [Column::new("c", type_text)];
            let batch = decode(&encode(&columns, &[vec![Some(cell.to_owned())], vec![None]]).unwrap());
            assert_eq!(batch.schema().field(0).data_type().to_string(), arrow_type, "{type_text}");
            assert_eq!((batch.num_rows(), batch.column(0).null_count()), (2, 1), "{type_text}");
        }
    }

    #[test]
    fn a_timestamp_is_an_instant_with_the_session_zone() {
        let columns = [Column::new("t", "TIMESTAMP")];
        let rows = [vec![Some("2021-06-15T12:34:56.789-07:00".to_owned())]];
        let batch = decode(&encode(&columns, &rows).unwrap());
        let instants = batch.column(0).as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
        assert_eq!(instants.timezone(), Some(SESSION_ZONE));
        assert_eq!(instants.value(0), 1_623_785_696_789_000);
    }

    #[test]
    fn a_cell_that_does_not_fit_names_its_column() {
        let failure = encode(&[Column::new("n", "INT")], &[vec![Some("x".to_owned())]]).unwrap_err();
        assert!(failure.message.contains("'n' is not INT"), "{failure}");
        let failure = encode(&[Column::new("n", "INTERVAL DAY")], &[vec![Some("x".to_owned())]]).unwrap_err();
        assert!(failure.message.contains("INTERVAL"), "{failure}");
    }
}
