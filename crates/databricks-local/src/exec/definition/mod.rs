//! What a table is apart from its rows: its `metaData` and `protocol` actions as one value that statements change.
//!
//! Nothing here reads or writes. A statement takes the definition of the version it works on, changes the copy, and
//! commits the actions of the difference. What Databricks keeps as a table feature that delta-rs cannot write (its
//! builders would refuse the table from then on) is kept as a property under [`own`] names, which no other reader
//! minds; what is shown of a table shows it as Databricks would.

mod features;
pub(super) mod fields;
mod keys;
pub(super) mod mapping;
mod protocol;
pub(super) mod widening;

use std::collections::BTreeMap;

use deltalake::DeltaTable;
use deltalake::kernel::{Action, Metadata, StructField, StructType};
use serde_json::{Value, json};

pub(super) use features::{Shown, own, shown};
pub(super) use keys::PrimaryKey;
pub(super) use protocol::Protocol;

use crate::error::{LocalError, Result};

/// The property that tells the loads of COPY INTO apart from those before the table was replaced.
const LOADS: &str = "loads";

/// The property that names clustering columns: a JSON list of paths. Databricks keeps them in a domain of the log.
const CLUSTERING: &str = "clusteringColumns";

/// A table's columns, properties and protocol.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Definition {
    id: String,
    created_time: Option<i64>,
    pub(super) description: Option<String>,
    pub(super) fields: Vec<StructField>,
    pub(super) partition_columns: Vec<String>,
    /// As the log has them: [`Shown`] is what users see.
    pub(super) configuration: BTreeMap<String, String>,
    pub(super) protocol: Protocol,
}

impl Definition {
    /// A table that is not there yet.
    pub(super) fn new(fields: Vec<StructField>, partition_columns: Vec<String>) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            created_time: Some(chrono::Utc::now().timestamp_millis()),
            description: None,
            fields,
            partition_columns,
            configuration: BTreeMap::new(),
            protocol: Protocol::default(),
        }
    }

    /// The definition of an opened table's version.
    pub(super) fn of(table: &DeltaTable) -> Result<Self> {
        let snapshot = table.snapshot()?;
        let metadata = snapshot.metadata();
        Ok(Self {
            id: metadata.id().to_owned(),
            created_time: metadata.created_time(),
            description: metadata.description().map(str::to_owned),
            fields: snapshot.schema().fields().cloned().collect(),
            partition_columns: metadata.partition_columns().to_vec(),
            configuration: metadata.configuration().iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            protocol: Protocol::of(snapshot.protocol())?,
        })
    }

    /// The definition of another table of the same shape.
    pub(super) fn copied(mut self) -> Self {
        let new = Self::new(Vec::new(), Vec::new());
        (self.id, self.created_time) = (new.id, new.created_time);
        // Keys are the catalog's, and of the one table.
        self.set_primary_key(None);
        self
    }

    /// A definition that takes this one's place: the same table, with another shape.
    pub(super) fn replaced_by(&self, mut other: Self) -> Self {
        other.id.clone_from(&self.id);
        other.created_time = self.created_time;
        other.protocol = self.protocol.clone().with_all_of(&other.protocol);
        // Files that were loaded into what was here before are not of the new table.
        other.configuration.insert(own(LOADS), uuid::Uuid::new_v4().to_string());
        other
    }

    /// The columns.
    pub(super) fn schema(&self) -> Result<StructType> {
        StructType::try_new(self.fields.clone()).map_err(|error| LocalError::internal(error.to_string()))
    }

    /// A property as users see it.
    pub(super) fn property(&self, key: &str) -> Option<&str> {
        self.configuration.get(key).or_else(|| self.configuration.get(&own(key))).map(String::as_str)
    }

    /// Whether a property is `true`.
    pub(super) fn is_on(&self, key: &str) -> bool {
        self.property(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// What names the loads of COPY INTO since the table was last replaced.
    pub(super) fn loads(&self) -> Option<&str> {
        self.configuration.get(&own(LOADS)).map(String::as_str)
    }

    /// The paths of the clustering columns, outermost first.
    pub(super) fn clustering(&self) -> Vec<Vec<String>> {
        let text = self.configuration.get(&own(CLUSTERING));
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Sets the clustering columns; none clusters no longer.
    pub(super) fn cluster_by(&mut self, paths: &[Vec<String>]) {
        if paths.is_empty() {
            self.configuration.remove(&own(CLUSTERING));
        } else {
            self.configuration.insert(own(CLUSTERING), json!(paths).to_string());
        }
    }

    /// Everything the columns and properties ask of the protocol, and the actions that make the table so. Without
    /// an earlier definition the table is new.
    pub(super) fn actions(mut self, before: Option<&Self>) -> Result<Vec<Action>> {
        self.protocol = self.protocol.clone().for_definition(&self);
        let mut actions = Vec::with_capacity(2);
        if before.is_none_or(|before| before.protocol != self.protocol) {
            actions.push(Action::Protocol(self.protocol.action()?));
        }
        let metadata = Metadata::from_definition(&self)?;
        actions.push(Action::Metadata(metadata));
        Ok(actions)
    }
}

/// A table's properties as Unity Catalog lists them.
///
/// # Errors
/// A protocol that cannot be understood.
pub(crate) fn table_properties(table: &DeltaTable) -> Result<BTreeMap<String, String>> {
    Ok(Shown::listed(&Definition::of(table)?))
}

/// A table's primary key as Unity Catalog tells of it.
///
/// # Errors
/// As [`table_properties`].
pub(crate) fn table_key(table: &DeltaTable) -> Result<Option<Value>> {
    let Some(PrimaryKey { name, columns, timeseries }) = Definition::of(table)?.primary_key() else {
        return Ok(None);
    };
    let mut key = json!({ "name": name, "child_columns": columns });
    if let Some(column) = timeseries {
        key["timeseries_columns"] = json!([column]);
    }
    Ok(Some(json!([{ "primary_key_constraint": key }])))
}

trait FromDefinition: Sized {
    fn from_definition(definition: &Definition) -> Result<Self>;
}

impl FromDefinition for Metadata {
    /// The kernel has no constructor: the action is read from its JSON.
    fn from_definition(definition: &Definition) -> Result<Self> {
        let schema = serde_json::to_string(&definition.schema()?).map_err(LocalError::internal)?;
        let value: Value = json!({
            "id": definition.id,
            "name": null,
            "description": definition.description,
            "format": { "provider": "parquet", "options": {} },
            "schemaString": schema,
            "partitionColumns": definition.partition_columns,
            "configuration": definition.configuration,
            "createdTime": definition.created_time,
        });
        serde_json::from_value(value).map_err(LocalError::internal)
    }
}
