//! How columns lie in staged files: the data's types, replaced where Spark cannot read them from Parquet.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, LargeListArray, ListArray, MapArray, RecordBatch,
    StructArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit,
    TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow::error::ArrowError;

use crate::calendar;
use crate::error::{DeltaError, Result};

const MILLISECONDS_A_DAY: i64 = 86_400_000;

/// The schema of some data, and that of the files that take it.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    given: SchemaRef,
    file: SchemaRef,
}

impl Layout {
    /// The layout of files for data of this schema.
    ///
    /// Every column may be NULL in a file; whether it may be in the table is checked when it is loaded.
    pub(crate) fn of(given: SchemaRef) -> Result<Self> {
        let fields: Result<Vec<FieldRef>> =
            given.fields().iter().map(|field| file_field(field.name(), field)).collect();
        Ok(Self { file: Arc::new(Schema::new(fields?)), given })
    }

    pub(crate) fn file_schema(&self) -> &SchemaRef {
        &self.file
    }

    /// The batch as it goes into a file. A value that has no place there is an error, never a NULL.
    pub(crate) fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let invalid = |message| DeltaError::InvalidData { message };
        let count = self.given.fields().len();
        if batch.num_columns() != count {
            let message = format!("a batch has {} columns, its schema says {count}", batch.num_columns());
            return Err(invalid(message));
        }
        let batch_schema = batch.schema();
        let mut columns = Vec::with_capacity(count);
        for (index, column) in batch.columns().iter().enumerate() {
            let (has, says, wanted) =
                (batch_schema.field(index), self.given.field(index), self.file.field(index));
            if has.name() != says.name() {
                return Err(invalid(format!(
                    "a batch has column `{}` where its schema says `{}`",
                    has.name(),
                    says.name()
                )));
            }
            if !same_type(column.data_type(), says.data_type()) {
                return Err(invalid(format!(
                    "column `{}` of a batch is of type {}, where its schema says {}",
                    has.name(),
                    column.data_type(),
                    says.data_type()
                )));
            }
            let column = convert(column, wanted.data_type())
                .map_err(|error| invalid(format!("column `{}`: {error}", has.name())))?;
            calendar::check(&column).map_err(|error| invalid(format!("column `{}`: {error}", has.name())))?;
            columns.push(column);
        }
        RecordBatch::try_new(Arc::clone(&self.file), columns).map_err(DeltaError::data)
    }
}

// What the parts of lists and maps are called in Parquet, and so in every data file of Delta; Arrow's data calls them by
// any name.
const ELEMENT: &str = "element";
const ENTRIES: &str = "key_value";
const KEY: &str = "key";
const VALUE: &str = "value";

/// The field of a file for a field of the data. `path` leads to it, for the error.
fn file_field(path: &str, field: &Field) -> Result<FieldRef> {
    Ok(Arc::new(Field::new(field.name(), file_type(path, field.data_type())?, true)))
}

fn file_type(path: &str, data_type: &DataType) -> Result<DataType> {
    let element = |field: &Field| -> Result<FieldRef> {
        let data_type = file_type(&format!("{path}.{ELEMENT}"), field.data_type())?;
        Ok(Arc::new(Field::new(ELEMENT, data_type, true)))
    };
    Ok(match data_type {
        // Spark reads no nanoseconds; Databricks keeps microseconds.
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Date64 => DataType::Date32,
        DataType::Float16 => DataType::Float32,
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, values) => file_type(path, values)?,
        DataType::List(field) => DataType::List(element(field)?),
        DataType::LargeList(field) => DataType::LargeList(element(field)?),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(element(field)?, *size),
        DataType::Struct(fields) => {
            let field = |field: &FieldRef| file_field(&format!("{path}.{}", field.name()), field);
            DataType::Struct(fields.iter().map(field).collect::<Result<Fields>>()?)
        }
        DataType::Map(entries, sorted) => DataType::Map(map_entries(path, entries)?, *sorted),
        DataType::Decimal256(..) => {
            return Err(refused(
                path,
                data_type,
                "a DECIMAL has at most 38 digits; turn it into one or a text",
            ));
        }
        DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_) | DataType::Interval(_) => {
            return Err(refused(
                path,
                data_type,
                "files that Databricks loads cannot hold it; turn it into a number or a text",
            ));
        }
        DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => {
            return Err(refused(
                path,
                data_type,
                "files that Databricks loads cannot hold it; turn it into plain values, a struct or a list",
            ));
        }
        kept => kept.clone(),
    })
}

/// A map's entries and keys are never NULL, and Parquet insists.
fn map_entries(path: &str, entries: &Field) -> Result<FieldRef> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(refused(path, entries.data_type(), "a map has entries of a key and a value"));
    };
    let mut converted = Vec::with_capacity(fields.len());
    for (field, (role, is_nullable)) in fields.iter().zip([(KEY, false), (VALUE, true)]) {
        let data_type = file_type(&format!("{path}.{role}"), field.data_type())?;
        converted.push(Field::new(role, data_type, is_nullable));
    }
    Ok(Arc::new(Field::new(ENTRIES, DataType::Struct(converted.into()), false)))
}

fn refused(path: &str, data_type: &DataType, reason: &str) -> DeltaError {
    DeltaError::UnsupportedType {
        column: path.to_owned(),
        data_type: data_type.to_string(),
        reason: reason.to_owned(),
    }
}

/// Whether two types hold the same values: NULL allowed or not, metadata, and the names of elements say nothing there.
fn same_type(a: &DataType, b: &DataType) -> bool {
    let same = |a: &FieldRef, b: &FieldRef| same_type(a.data_type(), b.data_type());
    match (a, b) {
        (DataType::List(a), DataType::List(b)) | (DataType::LargeList(a), DataType::LargeList(b)) => {
            same(a, b)
        }
        (DataType::FixedSizeList(a, one), DataType::FixedSizeList(b, other)) => one == other && same(a, b),
        (DataType::Struct(a), DataType::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name() == b.name() && same(a, b))
        }
        (DataType::Map(a, _), DataType::Map(b, _)) => match (a.data_type(), b.data_type()) {
            (DataType::Struct(a), DataType::Struct(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            _ => false,
        },
        (a, b) => a == b,
    }
}

/// The array in the type that it has in files. Times are cut to the unit below, before 1970 too.
fn convert(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let nulls = || array.nulls().cloned();
    Ok(match (array.data_type(), to) {
        (DataType::Date64, DataType::Date32) => {
            let day = |time: i64| {
                i32::try_from(time.div_euclid(MILLISECONDS_A_DAY))
                    .map_err(|_| ArrowError::CastError(format!("{time} ms is no DATE")))
            };
            Arc::new(array.as_primitive::<Date64Type>().try_unary::<_, Date32Type, _>(day)?)
        }
        (DataType::Timestamp(TimeUnit::Nanosecond, _), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            let times = array.as_primitive::<TimestampNanosecondType>();
            let times = times.unary::<_, TimestampMicrosecondType>(|time| time.div_euclid(1_000));
            Arc::new(times.with_timezone_opt(zone.clone()))
        }
        (DataType::Dictionary(_, values), to) => convert(&cast_with_options(array, values, &strict())?, to)?,
        (DataType::List(_), DataType::List(field)) => {
            let list = array.as_list::<i32>();
            let values = convert(list.values(), field.data_type())?;
            Arc::new(ListArray::try_new(Arc::clone(field), list.offsets().clone(), values, nulls())?)
        }
        (DataType::LargeList(_), DataType::LargeList(field)) => {
            let list = array.as_list::<i64>();
            let values = convert(list.values(), field.data_type())?;
            Arc::new(LargeListArray::try_new(Arc::clone(field), list.offsets().clone(), values, nulls())?)
        }
        (DataType::FixedSizeList(_, _), DataType::FixedSizeList(field, size)) => {
            let values = convert(array.as_fixed_size_list().values(), field.data_type())?;
            Arc::new(FixedSizeListArray::try_new(Arc::clone(field), *size, values, nulls())?)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            Arc::new(convert_struct(array.as_struct(), fields)?)
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(ArrowError::CastError("a map's entries are no struct".to_owned()));
            };
            let pairs = convert_struct(map.entries(), fields)?;
            Arc::new(MapArray::try_new(Arc::clone(entries), map.offsets().clone(), pairs, nulls(), *sorted)?)
        }
        (_, to) => cast_with_options(array, to, &strict())?,
    })
}

fn convert_struct(array: &StructArray, fields: &Fields) -> Result<StructArray, ArrowError> {
    let columns = array.columns().iter().zip(fields);
    let columns = columns.map(|(column, field)| convert(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    StructArray::try_new_with_length(fields.clone(), columns, array.nulls().cloned(), array.len())
}

/// What does not fit is an error: the lenient cast would turn it into NULL.
fn strict() -> CastOptions<'static> {
    CastOptions { safe: false, ..CastOptions::default() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{
        Date64Array, Int64Array, StringArray, TimestampNanosecondArray, TimestampSecondArray,
    };
    use arrow::buffer::OffsetBuffer;

    use super::*;

    fn batch(column: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([("c", column, true)]).unwrap()
    }

    fn converted(column: ArrayRef) -> Result<ArrayRef> {
        let batch = batch(column);
        Ok(Arc::clone(Layout::of(batch.schema())?.convert(&batch)?.column(0)))
    }

    /// The paths of a column's values in a file.
    fn leaves(column: &ArrayRef) -> Vec<String> {
        let written =
            parquet::arrow::ArrowSchemaConverter::new().convert(&batch(Arc::clone(column)).schema());
        written.unwrap().columns().iter().map(|leaf| leaf.path().string()).collect()
    }

    fn schema(data_type: DataType) -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("c", data_type, true)]))
    }

    #[test]
    fn times_are_cut_downwards_before_1970_too() {
        let times = TimestampNanosecondArray::from(vec![Some(1_500), None, Some(-1)]).with_timezone("UTC");
        let times = converted(Arc::new(times)).unwrap();
        let times = times.as_primitive::<TimestampMicrosecondType>();
        assert_eq!((times.value(0), times.is_null(1), times.value(2)), (1, true, -1));
        assert_eq!(times.timezone(), Some("UTC"));
        let days = converted(Arc::new(Date64Array::from(vec![86_400_000, -1, -86_400_000]))).unwrap();
        assert_eq!(days.as_primitive::<Date32Type>().values(), &[1, -1, -1]);
    }

    #[test]
    fn a_value_that_has_no_place_in_a_file_is_an_error_and_not_a_null() {
        for column in [
            Arc::new(Date64Array::from(vec![i64::MAX])) as ArrayRef,
            Arc::new(TimestampSecondArray::from(vec![i64::MAX])),
        ] {
            let error = converted(column).unwrap_err();
            assert!(
                matches!(&error, DeltaError::InvalidData { message } if message.contains("`c`")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_column_of_another_type_than_its_schema_says_names_both() {
        let layout = Layout::of(schema(DataType::Int64)).unwrap();
        let error = layout.convert(&batch(Arc::new(StringArray::from(vec!["x"])))).unwrap_err().to_string();
        assert!(error.contains("`c`") && error.contains("Utf8") && error.contains("Int64"), "{error}");
    }

    #[test]
    fn a_batch_that_disagrees_with_its_schema_is_refused() {
        let layout = Layout::of(Arc::new(Schema::new(vec![Field::new("m", DataType::Int64, true)]))).unwrap();
        let error = layout.convert(&batch(Arc::new(Int64Array::from(vec![1])))).unwrap_err().to_string();
        assert!(error.contains("`c` where its schema says `m`"), "{error}");
    }

    #[test]
    fn nested_columns_take_the_types_of_files_too() {
        let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![-1, 2_000]));
        let names: ArrayRef = Arc::new(arrow::array::StringViewArray::from(vec!["a", "b"]));
        let field = |name: &str, array: &ArrayRef, nullable| {
            Arc::new(Field::new(name, array.data_type().clone(), nullable))
        };
        let pairs = StructArray::from(vec![
            (field("keys", &names, false), Arc::clone(&names)),
            (field("values", &times, true), Arc::clone(&times)),
        ]);
        let entries: FieldRef = Arc::new(Field::new("entries", pairs.data_type().clone(), false));
        let map: ArrayRef = Arc::new(
            MapArray::try_new(entries, OffsetBuffer::from_lengths([2]), pairs, None, false).unwrap(),
        );
        let inner: ArrayRef = Arc::new(StructArray::from(vec![(field("m", &map, true), Arc::clone(&map))]));
        let lists: [ArrayRef; 3] = [
            Arc::new(ListArray::new(
                field("item", &inner, true),
                OffsetBuffer::from_lengths([1]),
                Arc::clone(&inner),
                None,
            )),
            Arc::new(LargeListArray::new(
                field("item", &inner, true),
                OffsetBuffer::from_lengths([1]),
                Arc::clone(&inner),
                None,
            )),
            Arc::new(FixedSizeListArray::new(field("item", &inner, true), 1, Arc::clone(&inner), None)),
        ];
        for list in lists {
            let file = converted(Arc::clone(&list)).unwrap();
            let text = format!("{:?}", file.data_type());
            assert!(text.contains("Microsecond") && !text.contains("Nanosecond"), "{text}");
            assert!(text.contains("Utf8") && !text.contains("Utf8View"), "{text}");
            assert_eq!(file.len(), 1);
            // As Parquet has them, whatever they were called.
            let leaves = leaves(&file);
            assert!(leaves[0].ends_with("element.m.key_value.key"), "{leaves:?}");
            assert!(leaves[1].ends_with("element.m.key_value.value"), "{leaves:?}");
        }
    }

    #[test]
    fn a_type_without_a_place_in_files_is_refused_by_its_path() {
        let duration = DataType::Duration(TimeUnit::Second);
        let list = |of| DataType::List(Arc::new(Field::new("item", of, true)));
        let within = |name: &str, of| DataType::Struct(vec![Field::new(name, of, true)].into());
        for (data_type, path) in [
            (duration.clone(), "`c`"),
            (DataType::Decimal256(50, 2), "`c`"),
            (list(within("lap", duration)), "`c.element.lap`"),
            (within("d", list(DataType::Decimal256(50, 2))), "`c.d.element`"),
            (
                DataType::RunEndEncoded(
                    Arc::new(Field::new("run_ends", DataType::Int32, false)),
                    Arc::new(Field::new("values", DataType::Utf8, true)),
                ),
                "`c`",
            ),
        ] {
            let error = Layout::of(schema(data_type)).unwrap_err();
            assert!(matches!(error, DeltaError::UnsupportedType { .. }), "{error}");
            assert!(error.to_string().contains(path), "{error}");
        }
    }
}
