//! RENAME COLUMN and DROP COLUMNS, on tables with column mapping: the files keep their physical names.

use deltalake::kernel::StructField;
use serde_json::{Value, json};

use super::{Edit, Rows, text};
use crate::error::{LocalError, Result};
use crate::exec::definition::fields::{Place, at, remove, spelled, within};
use crate::exec::definition::{Definition, mapping};
use crate::parse::Name;

pub(super) fn renamed(before: &Definition, column: &Name, to: &str) -> Result<Edit> {
    let path = spelled(&before.fields, column)?;
    if !mapping::is_on(before) {
        return Err(needs_mapping("DELTA_UNSUPPORTED_RENAME_COLUMN", "Column rename"));
    }
    let Some((name, parent)) = path.split_last() else {
        return Err(LocalError::internal("a renamed column without a name"));
    };
    let mut after = before.clone();
    within(&mut after.fields, parent, |fields| {
        let taken =
            |field: &&StructField| field.name != *name && field.name.to_lowercase() == to.to_lowercase();
        if let Some(old) = fields.iter().find(taken) {
            let message =
                format!("Cannot rename column `{name}` to `{to}` because `{}` already exists.", old.name);
            return Err(LocalError::new("FIELD_ALREADY_EXISTS", "42710", message));
        }
        Ok(())
    })?;
    at(&mut after.fields, &path, |place| match place {
        Place::Field(field) => {
            field.name = to.to_owned();
            Ok(())
        }
        Place::Part(..) => Err(LocalError::unsupported_feature(format_args!(
            "renaming {}, a part of an array or map",
            path.join(".")
        ))),
    })?;
    super::add::check_reserved(before, to)?;
    let new_path: Vec<String> = parent.iter().map(String::as_str).chain([to]).map(str::to_owned).collect();
    follow(&mut after, &path, &new_path);
    Ok(Edit {
        definition: after,
        operation: "RENAME COLUMN",
        parameters: vec![
            ("oldColumnPath", Value::from(path.join("."))),
            ("newColumnPath", Value::from(new_path.join("."))),
        ],
        rows: Rows::Kept,
    })
}

/// Partition and clustering columns are named by what they are called.
fn follow(after: &mut Definition, old: &[String], new: &[String]) {
    if let ([old], [new]) = (old, new) {
        for column in after.partition_columns.iter_mut().filter(|column| *column == old) {
            column.clone_from(new);
        }
        let key = after.primary_key().map(|key| key.renamed(old, new));
        after.set_primary_key(key.as_ref());
    }
    let mut clustering = after.clustering();
    for path in clustering.iter_mut().filter(|path| path.starts_with(old)) {
        path.splice(..old.len(), new.iter().cloned());
    }
    after.cluster_by(&clustering);
}

/// None when no column is left to drop.
pub(super) fn dropped(before: &Definition, columns: &[Name], if_exists: bool) -> Result<Option<Edit>> {
    let mut after = before.clone();
    let mut paths = Vec::with_capacity(columns.len());
    for column in columns {
        match spelled(&after.fields, column) {
            Ok(path) => {
                drop_one(before, &mut after, &path)?;
                paths.push(path.join("."));
            }
            Err(_) if if_exists => {}
            Err(error) => return Err(error),
        }
    }
    if paths.is_empty() {
        return Ok(None);
    }
    let parameters = vec![("columns", text(&json!(paths)))];
    Ok(Some(Edit { definition: after, operation: "DROP COLUMNS", parameters, rows: Rows::Kept }))
}

fn drop_one(before: &Definition, after: &mut Definition, path: &[String]) -> Result<()> {
    if !mapping::is_on(before) {
        return Err(needs_mapping("DELTA_UNSUPPORTED_DROP_COLUMN", "DROP COLUMN"));
    }
    let column = path.join(".");
    if path.len() == 1 && before.partition_columns.contains(&column) {
        let message = format!("Dropping partition columns ({column}) is not allowed.");
        return Err(LocalError::new("DELTA_UNSUPPORTED_DROP_PARTITION_COLUMN", "0AKDC", message));
    }
    if before.clustering().iter().any(|clustered| clustered.starts_with(path)) {
        let message = format!("Dropping clustering columns ({column}) is not allowed.");
        return Err(LocalError::new("DELTA_UNSUPPORTED_DROP_CLUSTERING_COLUMN", "0AKDC", message));
    }
    if let Some(key) = before.primary_key().filter(|key| path.len() == 1 && key.columns.contains(&column)) {
        return Err(LocalError::unsupported_feature(format_args!(
            "dropping {column}, a column of the primary key {}",
            key.name
        )));
    }
    let Some((name, parent)) = path.split_last() else {
        return Err(LocalError::internal("a dropped column without a name"));
    };
    let is_part = at(&mut after.fields, path, |place| Ok(matches!(place, Place::Part(..))))?;
    if is_part {
        let message =
            format!("Can only drop nested columns from a struct, and {column} is a part of an array or map.");
        return Err(LocalError::new(
            "DELTA_UNSUPPORTED_DROP_NESTED_COLUMN_FROM_NON_STRUCT_TYPE",
            "0AKDC",
            message,
        ));
    }
    within(&mut after.fields, parent, |fields| {
        if fields.len() == 1 {
            let message = format!("Cannot drop column {column} from a schema with a single column.");
            return Err(LocalError::new("DELTA_DROP_COLUMN_ON_SINGLE_FIELD_SCHEMA", "0AKDC", message));
        }
        remove(fields, name, path).map(drop)
    })
}

fn needs_mapping(class: &str, what: &str) -> LocalError {
    let message = format!(
        "{what} is not supported for your Delta table. Set the table property 'delta.columnMapping.mode' to 'name' first."
    );
    LocalError::new(class, "0AKDC", message)
}
