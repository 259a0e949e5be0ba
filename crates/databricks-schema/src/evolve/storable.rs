//! Which columns a Delta table can hold.

use super::ColumnPath;
use crate::{ColumnNameRules, DataType, Result, SchemaError, validate_column_name};

/// Checks a column: its name and, at every depth, the names of fields, and types that Delta stores.
///
/// # Errors
/// [`SchemaError::InvalidColumnName`], [`SchemaError::ReservedColumnName`], [`SchemaError::DuplicateColumn`],
/// [`SchemaError::InvalidDataType`] or [`SchemaError::TypeTooDeep`].
pub(crate) fn check(path: &ColumnPath, data_type: &DataType, rules: ColumnNameRules) -> Result<()> {
    // Only top-level columns can collide with the change data feed's own.
    let rules = if path.is_top_level() { rules } else { rules.with_change_data_feed(false) };
    validate_column_name(path.name(), rules)?;
    data_type.check_storable()?;
    crate::table_schema::validate_nested(data_type, rules)?;
    crate::table_schema::unique_nested(data_type, &path.to_string())
}

impl DataType {
    /// Checks that a column of a Delta table can have this type.
    ///
    /// # Errors
    /// [`SchemaError::InvalidDataType`] for `VOID`, intervals, structs without fields, keys of maps that hold maps,
    /// decimals out of range and types this crate does not know; [`SchemaError::TypeTooDeep`].
    pub fn check_storable(&self) -> Result<()> {
        check_type(self, 0)
    }
}

fn check_type(data_type: &DataType, depth: usize) -> Result<()> {
    if depth > crate::MAX_DEPTH {
        return Err(SchemaError::TypeTooDeep { limit: crate::MAX_DEPTH });
    }
    let invalid = |reason: &str| {
        let text = data_type.to_string().chars().take(120).collect();
        Err(SchemaError::InvalidDataType { text, position: 0, reason: reason.to_owned() })
    };
    match data_type {
        DataType::Void => invalid("a column that was only ever NULL has no type; say which one it has"),
        DataType::Interval(_) => invalid("Delta stores no intervals; use a number of units, or text"),
        DataType::Unknown(_) => {
            invalid("this type is not known here; add the column by a statement of your own")
        }
        DataType::Decimal { precision, scale } => DataType::decimal(*precision, *scale).map(drop),
        DataType::Char(0) | DataType::Varchar(0) => invalid("a length must be at least 1"),
        DataType::Struct(fields) if fields.is_empty() => {
            invalid("Delta stores no struct without fields; give it one")
        }
        DataType::Struct(fields) => {
            fields.iter().try_for_each(|field| check_type(&field.data_type, depth + 1))
        }
        DataType::Array(element) => check_type(element, depth + 1),
        DataType::Map(key, _) if holds_map(key) => invalid("the key of a map cannot hold a map"),
        DataType::Map(key, value) => {
            check_type(key, depth + 1)?;
            check_type(value, depth + 1)
        }
        _ => Ok(()),
    }
}

fn holds_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::Array(element) => holds_map(element),
        DataType::Struct(fields) => fields.iter().any(|field| holds_map(&field.data_type)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_delta_cannot_hold_is_refused_at_any_depth() {
        for (text, reason) in [
            ("VOID", "say which one"),
            ("ARRAY<VOID>", "say which one"),
            ("INTERVAL DAY TO SECOND", "no intervals"),
            ("STRUCT<>", "without fields"),
            ("MAP<STRING, STRUCT<a: STRUCT<>>>", "without fields"),
            ("MAP<ARRAY<MAP<INT, INT>>, INT>", "key of a map"),
        ] {
            let error = DataType::parse(text).unwrap().check_storable().unwrap_err();
            assert!(matches!(error, SchemaError::InvalidDataType { .. }), "{text}: {error}");
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
        for invalid in [
            DataType::Decimal { precision: 39, scale: 0 },
            DataType::Decimal { precision: 3, scale: 4 },
            DataType::Decimal { precision: 3, scale: -1 },
            DataType::Varchar(0),
            DataType::from_server("STRING COLLATE UTF8_LCASE"),
        ] {
            assert!(invalid.check_storable().is_err(), "{invalid}");
        }
        let deep = (0..200).fold(DataType::Int, |inner, _| DataType::array(inner));
        assert!(matches!(deep.check_storable(), Err(SchemaError::TypeTooDeep { .. })));
        DataType::parse("MAP<STRUCT<a: INT>, ARRAY<MAP<STRING, VARIANT>>>")
            .unwrap()
            .check_storable()
            .unwrap();
    }

    #[test]
    fn names_are_checked_by_place() {
        let rules = ColumnNameRules::default().with_change_data_feed(true);
        let reserved = ColumnPath::column("_change_type");
        assert!(matches!(
            check(&reserved, &DataType::Int, rules),
            Err(SchemaError::ReservedColumnName { .. })
        ));
        check(&ColumnPath::column("a").child("_change_type"), &DataType::Int, rules).unwrap();
        let twice = DataType::parse("STRUCT<b: INT, B: INT>").unwrap();
        assert!(matches!(
            check(&ColumnPath::column("a"), &twice, rules),
            Err(SchemaError::DuplicateColumn { .. })
        ));
    }
}
