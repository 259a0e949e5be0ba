//! Arrow types as Databricks types.

use arrow::datatypes::{DataType as Arrow, Field, IntervalUnit, TimeUnit};

use super::{COMMENT_KEY, TYPE_KEY, to_arrow};
use crate::{DataType, IntervalKind, MAX_DEPTH, Result, SchemaError, StructField};

/// The Databricks type that holds values of this Arrow type.
///
/// Other encodings of the same values are taken too: views, large offsets, dictionaries, run ends, fixed sizes,
/// other time units (Databricks keeps microseconds: finer digits must be dropped by whoever writes the values).
///
/// # Errors
/// [`SchemaError::UnsupportedArrowType`] naming the type, its place and what to convert it to.
pub fn from_arrow(data_type: &Arrow) -> Result<DataType> {
    convert(data_type, &mut Vec::new())
}

/// The column or struct field for an Arrow field, with its nullability and comment.
///
/// # Errors
/// As [`from_arrow`].
pub fn from_arrow_field(field: &Field) -> Result<StructField> {
    convert_field(field, &mut Vec::new())
}

/// `path` names the fields around the type, outermost first.
fn convert(data_type: &Arrow, path: &mut Vec<String>) -> Result<DataType> {
    if path.len() > MAX_DEPTH {
        return Err(SchemaError::TypeTooDeep { limit: MAX_DEPTH });
    }
    Ok(match data_type {
        Arrow::Null => DataType::Void,
        Arrow::Boolean => DataType::Boolean,
        Arrow::Int8 => DataType::TinyInt,
        Arrow::Int16 => DataType::SmallInt,
        Arrow::Int32 => DataType::Int,
        Arrow::Int64 => DataType::BigInt,
        Arrow::Float16 | Arrow::Float32 => DataType::Float,
        Arrow::Float64 => DataType::Double,
        Arrow::Decimal32(precision, scale)
        | Arrow::Decimal64(precision, scale)
        | Arrow::Decimal128(precision, scale)
        | Arrow::Decimal256(precision, scale) => DataType::decimal(*precision, *scale).map_err(|_| {
            unsupported(data_type, path, "cast it to a decimal of at most 38 digits, scale 0 or more")
        })?,
        Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View => DataType::String,
        Arrow::Binary | Arrow::LargeBinary | Arrow::BinaryView | Arrow::FixedSizeBinary(_) => {
            DataType::Binary
        }
        Arrow::Date32 | Arrow::Date64 => DataType::Date,
        Arrow::Timestamp(_, Some(_)) => DataType::Timestamp,
        Arrow::Timestamp(_, None) => DataType::TimestampNtz,
        Arrow::Duration(_) => DataType::Interval(IntervalKind::DayToSecond),
        Arrow::Interval(IntervalUnit::YearMonth) => DataType::Interval(IntervalKind::YearToMonth),
        Arrow::Dictionary(_, values) => convert(values, path)?,
        Arrow::RunEndEncoded(_, values) => convert(values.data_type(), path)?,
        Arrow::List(element)
        | Arrow::LargeList(element)
        | Arrow::ListView(element)
        | Arrow::LargeListView(element)
        | Arrow::FixedSizeList(element, _) => DataType::array(part("element", element, path)?),
        Arrow::Map(entries, _) => map(data_type, entries, path)?,
        Arrow::Struct(fields) => {
            let fields: Result<Vec<_>> = fields.iter().map(|field| convert_field(field, path)).collect();
            DataType::Struct(fields?)
        }
        other => return Err(unsupported(other, path, remedy(other))),
    })
}

fn map(data_type: &Arrow, entries: &Field, path: &mut Vec<String>) -> Result<DataType> {
    let Arrow::Struct(fields) = entries.data_type() else {
        return Err(unsupported(data_type, path, "a map's entries must be a struct of key and value"));
    };
    let [key, value] = &fields[..] else {
        return Err(unsupported(data_type, path, "a map's entries must be a struct of key and value"));
    };
    Ok(DataType::map(part("key", key, path)?, part("value", value, path)?))
}

/// The type of an array's element, or of a map's key or value, whatever Arrow calls it.
fn part(name: &str, field: &Field, path: &mut Vec<String>) -> Result<DataType> {
    path.push(name.to_owned());
    let data_type = field_type(field, path);
    path.pop();
    data_type
}

fn convert_field(field: &Field, path: &mut Vec<String>) -> Result<StructField> {
    path.push(field.name().clone());
    let data_type = field_type(field, path);
    path.pop();
    let converted = StructField::new(field.name(), data_type?).with_nullable(field.is_nullable());
    Ok(match field.metadata().get(COMMENT_KEY) {
        Some(comment) => converted.with_comment(comment),
        None => converted,
    })
}

/// The type the field's metadata names, where its values fit it, else the one its Arrow type tells.
fn field_type(field: &Field, path: &mut Vec<String>) -> Result<DataType> {
    let told = convert(field.data_type(), path)?;
    let named = field.metadata().get(TYPE_KEY).and_then(|text| DataType::parse(text).ok());
    Ok(match named {
        Some(named) if to_arrow(&named).ok() == to_arrow(&told).ok() => named,
        _ => told,
    })
}

fn remedy(data_type: &Arrow) -> &'static str {
    match data_type {
        Arrow::UInt8 => "Databricks has no unsigned integers; cast it to Int16",
        Arrow::UInt16 => "Databricks has no unsigned integers; cast it to Int32",
        Arrow::UInt32 => "Databricks has no unsigned integers; cast it to Int64",
        Arrow::UInt64 => "Databricks has no unsigned integers; cast it to Decimal128(20, 0)",
        Arrow::Time32(TimeUnit::Second | TimeUnit::Millisecond) | Arrow::Time32(_) | Arrow::Time64(_) => {
            "Databricks has no time of day; cast it to Duration(Microsecond) or Utf8"
        }
        Arrow::Interval(_) => "cast it to Interval(YearMonth) or Duration(Microsecond)",
        Arrow::Union(..) => "give each alternative a column of its own, or use a struct",
        _ => "cast it to a type of the table in the documentation of `databricks_schema::arrow`",
    }
}

fn unsupported(data_type: &Arrow, path: &[String], remedy: &str) -> SchemaError {
    SchemaError::UnsupportedArrowType {
        path: path.join("."),
        arrow_type: data_type.to_string(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;

    #[test]
    fn other_encodings_of_the_same_values_are_taken() {
        let item = Arc::new(Field::new("item", Arrow::LargeUtf8, true));
        let dictionary = Arrow::Dictionary(Box::new(Arrow::Int32), Box::new(Arrow::Utf8));
        let ends = Arc::new(Field::new("run_ends", Arrow::Int32, false));
        for (arrow, text) in [
            (Arrow::Utf8View, "STRING"),
            (Arrow::LargeUtf8, "STRING"),
            (dictionary, "STRING"),
            (Arrow::RunEndEncoded(ends, item.clone()), "STRING"),
            (Arrow::BinaryView, "BINARY"),
            (Arrow::FixedSizeBinary(16), "BINARY"),
            (Arrow::Float16, "FLOAT"),
            (Arrow::Date64, "DATE"),
            (Arrow::Decimal256(38, 2), "DECIMAL(38,2)"),
            (Arrow::Decimal32(9, 2), "DECIMAL(9,2)"),
            (Arrow::Timestamp(TimeUnit::Nanosecond, None), "TIMESTAMP_NTZ"),
            (Arrow::Timestamp(TimeUnit::Second, Some("+02:00".into())), "TIMESTAMP"),
            (Arrow::Duration(TimeUnit::Second), "INTERVAL DAY TO SECOND"),
            (Arrow::LargeList(item.clone()), "ARRAY<STRING>"),
            (Arrow::ListView(item.clone()), "ARRAY<STRING>"),
            (Arrow::FixedSizeList(item, 3), "ARRAY<STRING>"),
        ] {
            assert_eq!(from_arrow(&arrow).unwrap().to_string(), text, "{arrow}");
        }
    }

    #[test]
    fn what_databricks_lacks_is_named_with_its_place() {
        for (arrow, remedy) in [
            (Arrow::UInt8, "Int16"),
            (Arrow::UInt16, "Int32"),
            (Arrow::UInt32, "Int64"),
            (Arrow::UInt64, "Decimal128(20, 0)"),
            (Arrow::Time64(TimeUnit::Microsecond), "time of day"),
            (Arrow::Interval(IntervalUnit::MonthDayNano), "YearMonth"),
            (Arrow::Decimal256(76, 2), "38 digits"),
            (Arrow::Decimal128(10, -2), "scale 0 or more"),
        ] {
            let inner = Field::new("b", arrow.clone(), true);
            let list = Arrow::List(Arc::new(Field::new("item", Arrow::Struct(vec![inner].into()), true)));
            let error = from_arrow_field(&Field::new("a", list, true)).unwrap_err().to_string();
            assert!(error.contains("`a.element.b`") && error.contains(remedy), "{error}");
            assert!(error.contains(&arrow.to_string()), "{error}");
        }
    }

    #[test]
    fn metadata_that_does_not_fit_the_values_is_ignored() {
        let named = |arrow: Arrow, text: &str| {
            let field = Field::new("a", arrow, true).with_metadata([(TYPE_KEY.into(), text.into())].into());
            from_arrow_field(&field).unwrap().data_type
        };
        assert_eq!(named(Arrow::Utf8View, "VARIANT"), DataType::Variant);
        assert_eq!(named(Arrow::Int32, "VARIANT"), DataType::Int);
        assert_eq!(named(Arrow::Utf8, "no type"), DataType::String);
    }
}
