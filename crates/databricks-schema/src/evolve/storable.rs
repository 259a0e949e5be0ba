//! Which columns a Delta table can hold.

use super::ColumnPath;
use crate::{ColumnNameRules, DataType, Result, SchemaError, validate_column_name};

/// Everything that keeps a column out of a Delta table: its name and, at every depth, names of fields and types, each
/// with its place.
pub(super) fn faults(
    path: &ColumnPath,
    data_type: &DataType,
    rules: ColumnNameRules,
) -> Vec<(ColumnPath, SchemaError)> {
    let mut found = Vec::new();
    field_faults(path, data_type, rules, 0, &mut found);
    found
}

fn field_faults(
    path: &ColumnPath,
    data_type: &DataType,
    rules: ColumnNameRules,
    depth: usize,
    found: &mut Vec<(ColumnPath, SchemaError)>,
) {
    // Only top-level columns can collide with the change data feed's own.
    let of_name = if path.is_top_level() { rules } else { rules.with_change_data_feed(false) };
    found.extend(validate_column_name(path.name(), of_name).err().map(|error| (path.clone(), error)));
    type_faults(path, data_type, rules, depth, found);
}

fn type_faults(
    path: &ColumnPath,
    data_type: &DataType,
    rules: ColumnNameRules,
    depth: usize,
    found: &mut Vec<(ColumnPath, SchemaError)>,
) {
    if let Err(error) = check_one(data_type, depth) {
        return found.push((path.clone(), error));
    }
    match data_type {
        DataType::Array(element) => type_faults(&path.child("element"), element, rules, depth + 1, found),
        DataType::Map(key, value) => {
            type_faults(&path.child("key"), key, rules, depth + 1, found);
            type_faults(&path.child("value"), value, rules, depth + 1, found);
        }
        DataType::Struct(fields) => fields.iter().for_each(|field| {
            field_faults(&path.child(&field.name), &field.data_type, rules, depth + 1, found);
        }),
        _ => {}
    }
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
    check_one(data_type, depth)?;
    match data_type {
        DataType::Struct(fields) => {
            fields.iter().try_for_each(|field| check_type(&field.data_type, depth + 1))
        }
        DataType::Array(element) => check_type(element, depth + 1),
        DataType::Map(key, value) => {
            check_type(key, depth + 1)?;
            check_type(value, depth + 1)
        }
        _ => Ok(()),
    }
}

/// Checks a type without what is inside it.
fn check_one(data_type: &DataType, depth: usize) -> Result<()> {
    if depth > crate::MAX_DEPTH {
        return Err(SchemaError::TypeTooDeep { limit: crate::MAX_DEPTH });
    }
    let holds_map = |part: &DataType| part.any(&|inside| matches!(inside, DataType::Map(..)));
    let reason = match data_type {
        DataType::Void => "a column that was only ever NULL has no type; say which one it has",
        DataType::Interval(_) => "Delta stores no intervals; use a number of units, or text",
        DataType::Unknown(_) => {
            "the server may store it, but it is not known here; add the column by a statement of your own"
        }
        DataType::Decimal { precision, scale } => return DataType::decimal(*precision, *scale).map(drop),
        DataType::Char(0) | DataType::Varchar(0) => "a length must be at least 1",
        DataType::Struct(fields) if fields.is_empty() => "Delta stores no struct without fields; give it one",
        DataType::Map(key, _) if holds_map(key) => "the key of a map cannot hold a map",
        _ => return Ok(()),
    };
    Err(SchemaError::invalid_type(&data_type.to_string(), reason))
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
            let message = error.to_string();
            assert!(
                message.starts_with("invalid data type `") && message.contains(reason),
                "{text}: {error}"
            );
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
    fn every_fault_of_a_column_is_told_with_its_place() {
        let rules = ColumnNameRules::default().with_change_data_feed(true);
        let told = |path: &str, text: &str| -> Vec<String> {
            let found = faults(&ColumnPath::column(path), &DataType::parse(text).unwrap(), rules);
            found.iter().map(|(path, error)| format!("{path}: {error}")).collect()
        };
        let found = told(
            "a b",
            "STRUCT<`c d`: VOID, e: ARRAY<INTERVAL DAY>, `_change_type`: INT, f: MAP<INT, STRUCT<>>>",
        );
        let places = ["`a b`: ", "`a b`.`c d`: ", "`a b`.`c d`: ", "`a b`.e.element: ", "`a b`.f.value: "];
        assert_eq!(found.len(), places.len(), "{found:?}");
        assert!(found.iter().zip(places).all(|(found, place)| found.starts_with(place)), "{found:?}");
        let reserved = faults(&ColumnPath::column("_Change_Type"), &DataType::Int, rules);
        assert!(matches!(reserved[..], [(_, SchemaError::ReservedColumnName { .. })]), "{reserved:?}");
    }
}
