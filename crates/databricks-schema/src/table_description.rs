//! A table as it is: its schema, and the facts that decide how the schema can change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evolve::{property, same_name};
use crate::parse::names_in;
use crate::{ColumnNameRules, ColumnPath, DataType, Generated, Result, TableName, TableSchema};

/// A table as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableDescription {
    /// Its name.
    pub name: TableName,
    /// Its columns.
    pub schema: TableSchema,
    /// The columns it is partitioned by, in order.
    #[serde(default)]
    pub partition_columns: Vec<String>,
    /// The columns it is clustered by, in order.
    #[serde(default)]
    pub clustering_columns: Vec<String>,
    /// Its table properties.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Its keys. CHECK constraints are properties: see [`checks`](Self::checks).
    #[serde(default)]
    pub keys: Vec<TableKey>,
    /// Whether the server did not tell which columns may be NULL: they are not compared then.
    #[serde(default)]
    pub nullability_unknown: bool,
}

/// A primary or a foreign key. Databricks records keys; it does not enforce them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableKey {
    /// The constraint's name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that a foreign key points to, as the server writes it; `None` for the primary key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

impl TableKey {
    /// The primary key of this name on these columns.
    pub fn primary<S: Into<String>>(name: impl Into<String>, columns: impl IntoIterator<Item = S>) -> Self {
        Self { name: name.into(), columns: columns.into_iter().map(Into::into).collect(), parent: None }
    }

    /// As a foreign key to this table.
    pub fn referencing(mut self, parent: impl Into<String>) -> Self {
        self.parent = Some(parent.into());
        self
    }
}

impl TableDescription {
    /// A table of this schema, without partitions, properties and keys.
    pub fn new(name: TableName, schema: TableSchema) -> Self {
        Self {
            name,
            schema,
            partition_columns: Vec::new(),
            clustering_columns: Vec::new(),
            properties: BTreeMap::new(),
            keys: Vec::new(),
            nullability_unknown: false,
        }
    }

    /// With this table property.
    pub fn with_property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// Partitioned by these columns.
    pub fn with_partition_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.partition_columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Clustered by these columns.
    pub fn with_clustering_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.clustering_columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// With this key.
    pub fn with_key(mut self, key: TableKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Whether column mapping is on: columns can be renamed and dropped, names may hold any character.
    pub fn has_column_mapping(&self) -> bool {
        let mode = self.properties.get(property::COLUMN_MAPPING).map(String::as_str);
        mode.is_some_and(|mode| mode.eq_ignore_ascii_case("name") || mode.eq_ignore_ascii_case("id"))
    }

    /// Whether types can be widened without setting a property first.
    pub fn has_type_widening(&self) -> bool {
        self.is_on(property::TYPE_WIDENING)
    }

    /// Whether columns can have defaults without setting a property first.
    pub fn has_column_defaults(&self) -> bool {
        self.supports(property::COLUMN_DEFAULTS)
            || self.schema.columns.iter().any(|column| column.default.is_some())
    }

    /// Whether columns can be TIMESTAMP_NTZ without setting a property first.
    pub fn has_timestamp_ntz(&self) -> bool {
        self.supports(property::TIMESTAMP_NTZ) || self.holds(&is_ntz)
    }

    /// Whether columns can be VARIANT without setting a property first.
    pub fn has_variant(&self) -> bool {
        self.supports(property::VARIANT)
            || self.supports(property::VARIANT_SETTLED)
            || self.holds(&is_variant)
    }

    /// Whether Iceberg clients read it, which limits how types can be widened.
    pub fn has_iceberg_compatibility(&self) -> bool {
        property::ICEBERG_COMPATIBILITY.iter().any(|key| self.is_on(key))
    }

    /// What names its columns may have.
    pub fn name_rules(&self) -> ColumnNameRules {
        ColumnNameRules::default()
            .with_column_mapping(self.has_column_mapping())
            .with_change_data_feed(self.is_on(property::CHANGE_DATA_FEED))
    }

    /// Its CHECK constraints: name and expression.
    pub fn checks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties
            .iter()
            .filter_map(|(key, expression)| Some((key.strip_prefix(property::CHECK)?, expression.as_str())))
    }

    /// Checks that a Delta table with these properties can have these columns.
    ///
    /// # Errors
    /// As [`TableSchema::validate`].
    pub fn validate(&self) -> Result<()> {
        self.schema.validate(self.name_rules())
    }

    /// All that is computed from this top-level column, and so depends on its type: generated columns and CHECK
    /// constraints.
    pub(crate) fn computed_from(&self, column: &str) -> Vec<String> {
        let checks = self.checks().filter(|(_, expression)| mentions(expression, column));
        let generated = self.schema.columns.iter().filter(|other| match &other.generated {
            Some(Generated::Expression(expression)) => mentions(expression, column),
            _ => false,
        });
        checks
            .map(|(name, _)| format!("the CHECK constraint `{name}`"))
            .chain(generated.map(|other| format!("the generated column `{}`", other.name)))
            .collect()
    }

    /// All else that holds on to this column, or to a field inside it, by name: partitions, clustering, keys.
    pub(crate) fn laid_out_by(&self, column: &ColumnPath) -> Vec<String> {
        let (name, inside) = (column.names().join("."), format!("{}.", column.names().join(".")));
        let is_it = |other: &String| {
            same_name(other, &name) || other.to_lowercase().starts_with(&inside.to_lowercase())
        };
        let layouts =
            [("the partitioning", &self.partition_columns), ("the clustering", &self.clustering_columns)];
        let layouts = layouts.into_iter().filter(|(_, columns)| columns.iter().any(is_it));
        let keys = self.keys.iter().filter(|key| key.columns.iter().any(is_it));
        layouts
            .map(|(what, _)| what.to_owned())
            .chain(keys.map(|key| format!("the key `{}`", key.name)))
            .collect()
    }

    /// The primary key that this top-level column is part of.
    pub(crate) fn primary_key_on(&self, column: &str) -> Option<&str> {
        let mut primary = self.keys.iter().filter(|key| key.parent.is_none());
        let key = primary.find(|key| key.columns.iter().any(|name| same_name(name, column)));
        key.map(|key| key.name.as_str())
    }

    fn supports(&self, feature: &str) -> bool {
        let state = self.properties.get(feature).map(String::as_str);
        state.is_some_and(|state| matches!(state, "supported" | "enabled"))
    }

    fn holds(&self, wanted: &dyn Fn(&DataType) -> bool) -> bool {
        self.schema.columns.iter().any(|column| column.data_type.any(wanted))
    }

    fn is_on(&self, key: &str) -> bool {
        self.properties.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

pub(crate) fn is_ntz(data_type: &DataType) -> bool {
    *data_type == DataType::TimestampNtz
}

pub(crate) fn is_variant(data_type: &DataType) -> bool {
    *data_type == DataType::Variant
}

/// Whether an expression names a column. One that cannot be read is taken to, if the name stands in it at all.
fn mentions(expression: &str, column: &str) -> bool {
    match names_in(expression) {
        Ok(names) => names.iter().any(|name| same_name(name, column)),
        Err(_) => expression.to_lowercase().contains(&column.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_depends_on_a_column_is_found_in_any_case_and_not_inside_strings() {
        let name = TableName::new("main", "sales", "orders").unwrap();
        let schema = TableSchema::parse(
            "id BIGINT, at TIMESTAMP, day DATE GENERATED ALWAYS AS (CAST(`At` AS DATE)), note STRING",
        );
        let table = TableDescription::new(name, schema.unwrap())
            .with_property("delta.constraints.positive", "ID > 0 AND note <> 'day'")
            .with_partition_columns(["DAY"])
            .with_clustering_columns(["S.x"])
            .with_key(TableKey::primary("pk", ["id"]));
        assert_eq!(table.computed_from("id"), ["the CHECK constraint `positive`"]);
        assert_eq!(table.computed_from("at"), ["the generated column `day`"]);
        assert!(table.computed_from("day").is_empty());
        let laid_out = |path: &[&str]| table.laid_out_by(&ColumnPath::new(path.iter().copied()));
        assert_eq!(laid_out(&["day"]), ["the partitioning"]);
        assert_eq!(laid_out(&["id"]), ["the key `pk`"]);
        // A struct with a field that the table is clustered by, and that field.
        for path in [&["s"][..], &["s", "x"]] {
            assert_eq!(laid_out(path), ["the clustering"]);
        }
        assert!(laid_out(&["s", "y"]).is_empty());
        assert_eq!(table.primary_key_on("ID"), Some("pk"));
        assert!(laid_out(&["note"]).is_empty());
    }

    #[test]
    fn properties_tell_what_can_be_done() {
        let name = TableName::new("main", "sales", "orders").unwrap();
        let plain = TableDescription::new(name, TableSchema::default());
        assert!(!plain.has_column_mapping() && !plain.has_type_widening() && !plain.has_column_defaults());
        let table = plain
            .with_property("delta.columnMapping.mode", "NAME")
            .with_property("delta.enableTypeWidening", "true")
            .with_property("delta.enableIcebergCompatV2", "true")
            .with_property("delta.feature.allowColumnDefaults", "supported")
            .with_property("delta.enableChangeDataFeed", "false");
        assert!(table.has_column_mapping() && table.has_type_widening() && table.has_column_defaults());
        assert!(table.has_iceberg_compatibility() && !table.has_timestamp_ntz() && !table.has_variant());
        for feature in ["timestampNtz", "variantType", "variantType-preview"] {
            let with = table.clone().with_property(format!("delta.feature.{feature}"), "supported");
            assert!(with.has_timestamp_ntz() != with.has_variant(), "{feature}");
        }
        assert_eq!(table.name_rules(), ColumnNameRules::default().with_column_mapping(true));
    }
}
