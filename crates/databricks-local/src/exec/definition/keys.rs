//! The primary key. Unity Catalog keeps it beside the table; here the table's definition does, under a name of our own.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Definition, own};
use crate::error::{LocalError, Result};
use crate::metastore::ObjectPath;
use crate::parse;

/// The property that holds it, as JSON.
const PRIMARY_KEY: &str = "primaryKey";

/// The primary key of a table: informational, never enforced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PrimaryKey {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// The column that tells of when a row is, if the key has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeseries: Option<String>,
}

impl Definition {
    /// The primary key, if the table has one.
    pub(in crate::exec) fn primary_key(&self) -> Option<PrimaryKey> {
        serde_json::from_str(self.configuration.get(&own(PRIMARY_KEY))?).ok()
    }

    pub(in crate::exec) fn set_primary_key(&mut self, key: Option<&PrimaryKey>) {
        match key {
            None => drop(self.configuration.remove(&own(PRIMARY_KEY))),
            Some(key) => drop(self.configuration.insert(own(PRIMARY_KEY), json!(key).to_string())),
        }
    }

    /// Sets the key that a CREATE TABLE declares. Its columns are NOT NULL from then on, said or not.
    ///
    /// # Errors
    /// Databricks' for a column that is not there, or is named twice; a refusal of several time series columns.
    pub(in crate::exec) fn declare_key(&mut self, path: &ObjectPath, key: &parse::PrimaryKey) -> Result<()> {
        let mut columns: Vec<String> = Vec::with_capacity(key.columns.len());
        for name in &key.columns {
            let column = spelled(self, name)?;
            if columns.contains(&column) {
                let message = format!("The column `{column}` is named more than once in the primary key.");
                return Err(LocalError::new("COLUMN_ALREADY_EXISTS", "42711", message));
            }
            self.fields
                .iter_mut()
                .filter(|field| field.name == column)
                .for_each(|field| field.nullable = false);
            columns.push(column);
        }
        let timeseries = match key.timeseries.as_slice() {
            [] => None,
            [column] => Some(spelled(self, column)?),
            _ => return Err(LocalError::unsupported_feature("a primary key of several TIMESERIES columns")),
        };
        let name = key.name.clone().unwrap_or_else(|| format!("{}_pk", path.name));
        self.set_primary_key(Some(&PrimaryKey { name, columns, timeseries }));
        Ok(())
    }
}

impl PrimaryKey {
    /// `PRIMARY KEY (`a`, `b` TIMESERIES)`, as DESCRIBE shows it.
    pub(in crate::exec) fn to_sql(&self) -> String {
        let columns = self.columns.iter().map(|column| {
            let of_time = if self.timeseries.as_ref() == Some(column) { " TIMESERIES" } else { "" };
            format!("{}{of_time}", databricks_schema::quote::identifier(column))
        });
        format!("PRIMARY KEY ({})", columns.collect::<Vec<_>>().join(", "))
    }

    /// The key after a column was renamed.
    pub(in crate::exec) fn renamed(mut self, old: &str, new: &str) -> Self {
        for column in self.columns.iter_mut().chain(&mut self.timeseries).filter(|column| *column == old) {
            new.clone_into(column);
        }
        self
    }
}

/// A column's name as the table spells it.
fn spelled(definition: &Definition, name: &str) -> Result<String> {
    let names: Vec<&str> = definition.fields.iter().map(|field| field.name.as_str()).collect();
    match names.iter().find(|column| column.to_lowercase() == name.to_lowercase()) {
        Some(column) => Ok((*column).to_owned()),
        None => Err(LocalError::column_not_found(name, names)),
    }
}
