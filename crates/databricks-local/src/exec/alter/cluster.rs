//! CLUSTER BY: which columns OPTIMIZE orders a table's rows by.

use deltalake::kernel::{DataType, PrimitiveType};
use serde_json::Value;

use super::{Edit, Rows};
use crate::error::{LocalError, Result};
use crate::exec::definition::Definition;
use crate::exec::definition::fields::{Place, at, spelled};
use crate::parse::Name;

/// The most columns that a table is clustered by.
const MOST: usize = 4;

pub(super) fn edit(before: &Definition, columns: &[Name]) -> Result<Edit> {
    if !before.partition_columns.is_empty() {
        let message = "ALTER TABLE CLUSTER BY cannot be applied to a partitioned table.";
        return Err(LocalError::new(
            "DELTA_ALTER_TABLE_CLUSTER_BY_ON_PARTITIONED_TABLE_NOT_ALLOWED",
            "42000",
            message,
        ));
    }
    let mut after = before.clone();
    let paths = check(before, columns)?;
    after.cluster_by(&paths);
    let joined =
        |paths: &[Vec<String>]| Value::from(paths.iter().map(|p| p.join(".")).collect::<Vec<_>>().join(","));
    Ok(Edit {
        parameters: vec![
            ("oldClusteringColumns", joined(&before.clustering())),
            ("newClusteringColumns", joined(&paths)),
        ],
        definition: after,
        operation: "CLUSTER BY",
        rows: Rows::Kept,
    })
}

/// The columns as the table spells them.
///
/// # Errors
/// Databricks' for too many, for one that is named twice, missing, or of a type without an order.
pub(in crate::exec) fn check(definition: &Definition, columns: &[Name]) -> Result<Vec<Vec<String>>> {
    if columns.len() > MOST {
        let message = format!(
            "CLUSTER BY for Liquid clustering supports up to {MOST} clustering columns, but the table has {} clustering columns.",
            columns.len()
        );
        return Err(LocalError::new("DELTA_CLUSTER_BY_INVALID_NUM_COLUMNS", "54000", message));
    }
    let mut paths: Vec<Vec<String>> = Vec::with_capacity(columns.len());
    for column in columns {
        let path = spelled(&definition.fields, column)?;
        if paths.contains(&path) {
            let message = format!(
                "Found duplicate column(s) in CLUSTER BY: {}. Name each column once.",
                path.join(".")
            );
            return Err(LocalError::new("DELTA_DUPLICATE_COLUMNS_FOUND", "42711", message));
        }
        check_type(definition, &path)?;
        paths.push(path);
    }
    Ok(paths)
}

fn check_type(definition: &Definition, path: &[String]) -> Result<()> {
    let mut fields = definition.fields.clone();
    let refused = at(&mut fields, path, |place| {
        Ok(match place {
            Place::Field(field) => match &field.data_type {
                DataType::Primitive(PrimitiveType::Boolean | PrimitiveType::Binary) => {
                    Some(field.data_type.clone())
                }
                DataType::Primitive(_) => None,
                other => Some(other.clone()),
            },
            Place::Part(data_type, _) => Some(data_type.clone()),
        })
    })?;
    match refused {
        None => Ok(()),
        Some(data_type) => {
            let message = format!(
                "CLUSTER BY is not supported because the following column(s): {} : {data_type} don't support data skipping.",
                path.join(".")
            );
            Err(LocalError::new("DELTA_CLUSTERING_COLUMNS_DATATYPE_NOT_SUPPORTED", "0A000", message))
        }
    }
}
