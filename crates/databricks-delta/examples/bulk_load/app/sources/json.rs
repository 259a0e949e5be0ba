//! JSON files: a look at some objects, and all objects as batches.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_json::reader::{Decoder, ReaderBuilder};
use indexmap::IndexMap;
use serde_json::Value;

use super::bytes;
use super::columns::{BATCH_ROWS, Column, Plan};
use super::error::SourceError;
use super::frames::{Frame, Frames};
use super::json_records::JsonRecords;
use super::kind::{Kind, mapped};
use super::shape::Shape;
use super::walk::Found;

type Object = IndexMap<String, Value>;

fn frames(file: &Found, count: &Arc<AtomicU64>) -> Result<Frames<JsonRecords>, SourceError> {
    Ok(Frames::new(&file.name, bytes::open(file, count)?, JsonRecords::new()))
}

/// The names in the first objects, and what their values look like.
pub(crate) fn look(file: &Found, sample: u64) -> Result<Shape, SourceError> {
    let mut frames = frames(file, &Arc::default())?;
    let mut shape = Shape { is_open: true, ..Shape::default() };
    let mut left = sample;
    while left > 0 {
        let rows = usize::try_from(left).unwrap_or(usize::MAX).min(BATCH_ROWS);
        let Some(frame) = frames.next(rows)? else { break };
        frame.check_text(&file.name)?;
        for row in 0..frame.len() {
            for (name, value) in object(file, &frame, row)? {
                shape.column(&name).see(value);
            }
        }
        left = left.saturating_sub(frame.len() as u64);
    }
    Ok(shape)
}

fn object(file: &Found, frame: &Frame, row: usize) -> Result<Object, SourceError> {
    serde_json::from_slice(frame.record(row)).map_err(|error| {
        let line = frame.line(row) + (error.line() as u64).saturating_sub(1);
        SourceError::malformed(&file.name, line, format!("it is no JSON: {error}"))
    })
}

/// Gives all rows to `emit`, until it says that nobody wants more.
pub(crate) fn read(
    file: &Found,
    plan: &Plan<'_>,
    count: &Arc<AtomicU64>,
    emit: &mut dyn FnMut(RecordBatch) -> bool,
) -> Result<(), SourceError> {
    let mut frames = frames(file, count)?;
    let keys: Vec<(&str, &Column)> = plan.keys().collect();
    let fields: Vec<Field> =
        keys.iter().map(|(key, column)| Field::new(*key, carrier(&column.kind), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let mut reader = decoder(file, &schema)?;
    while let Some(frame) = frames.next(BATCH_ROWS)? {
        frame.check_text(&file.name)?;
        let Some(carried) = decode(&mut reader, &frame.bytes, frame.len()) else {
            return Err(explain(file, &frame, &keys, &schema));
        };
        let array = |key: &str, column: &Column| {
            let carried =
                carried.column_by_name(key).ok_or_else(|| SourceError::unusable(&file.name, key))?;
            value(file, &frame, column, carried)
        };
        let batch = plan.assemble_keys(&file.name, frame.len(), array)?;
        if !emit(batch) {
            break;
        }
    }
    Ok(())
}

fn decoder(file: &Found, schema: &SchemaRef) -> Result<Decoder, SourceError> {
    ReaderBuilder::new(Arc::clone(schema))
        .with_coerce_primitive(true)
        .with_strict_mode(true)
        .with_batch_size(BATCH_ROWS)
        .build_decoder()
        .map_err(|error| SourceError::arrow(&file.name, &error))
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], rows: usize) -> Option<RecordBatch> {
    while !bytes.is_empty() {
        let taken = decoder.decode(bytes).ok().filter(|taken| *taken > 0)?;
        bytes = &bytes[taken..];
    }
    decoder.flush().ok().flatten().filter(|batch| batch.num_rows() == rows)
}

/// The type that a column is decoded as. Numbers come as their text: the decoder would cut them to fit.
fn carrier(kind: &Kind) -> DataType {
    match kind {
        Kind::Nested(nested) => mapped(nested, &|leaf| match leaf {
            leaf if leaf.is_integer() || matches!(leaf, DataType::Decimal128(..)) => DataType::Utf8,
            leaf => leaf.clone(),
        }),
        _ => DataType::Utf8,
    }
}

/// The values of a column, from what they were decoded as.
fn value(file: &Found, frame: &Frame, column: &Column, carried: &ArrayRef) -> Result<ArrayRef, SourceError> {
    let Kind::Nested(nested) = &column.kind else {
        let cells = carried.as_string::<i32>();
        let misfit = |row| column.misfit(&file.name, frame.line(row), cells.value(row));
        return column.cells(None).read(cells).map_err(misfit);
    };
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast = |array: &ArrayRef| cast_with_options(array, nested, &options);
    cast(carried).map_err(|_| {
        let row = (0..carried.len()).find(|row| cast(&carried.slice(*row, 1)).is_err()).unwrap_or_default();
        let shown = object(file, frame, row).ok();
        let shown = shown.and_then(|object| object.get(&column.name).map(Value::to_string));
        column.misfit(&file.name, frame.line(row), &shown.unwrap_or_default())
    })
}

/// Why objects cannot be decoded: the first that cannot, and its member.
fn explain(file: &Found, frame: &Frame, keys: &[(&str, &Column)], schema: &SchemaRef) -> SourceError {
    let decodes = |bytes: &[u8]| {
        decoder(file, schema).ok().and_then(|mut decoder| decode(&mut decoder, bytes, 1)).is_some()
    };
    let Some(row) = (0..frame.len()).find(|row| !decodes(frame.record(*row))) else {
        return SourceError::malformed(
            &file.name,
            frame.line(0),
            "the objects from here on cannot be told apart",
        );
    };
    let members = match object(file, frame, row) {
        Ok(members) => members,
        Err(error) => return error,
    };
    let line = frame.line(row);
    for (name, value) in members {
        let Some((_, column)) = keys.iter().find(|(key, _)| *key == name) else {
            let message = format!(
                "`{name}` is in none of the objects that were looked at: name it and its type in --columns, or look at \
                 more objects by --sample"
            );
            return SourceError::malformed(&file.name, line, message);
        };
        let shown = value.to_string();
        let alone = Value::Object([(name, value)].into_iter().collect());
        if !decodes(alone.to_string().as_bytes()) {
            return column.misfit(&file.name, line, &shown);
        }
    }
    SourceError::malformed(&file.name, line, "the object cannot be read as the columns' types")
}
