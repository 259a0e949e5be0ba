//! The protocol of a table: its versions and features, and what columns and properties ask of it.

use std::collections::BTreeSet;

use deltalake::kernel::{DataType, Protocol as Action, StructField};
use serde::{Deserialize, Serialize};

use super::Definition;
use super::fields::any_type;
use super::mapping;
use crate::error::{LocalError, Result};

/// The writer version from which features are listed by name.
const NAMED: i32 = 7;

/// Features that old versions imply: the writer version that brought each.
const IMPLIED: [(i32, &str); 7] = [
    (2, "appendOnly"),
    (2, "invariants"),
    (3, "checkConstraints"),
    (4, "changeDataFeed"),
    (4, "generatedColumns"),
    (5, "columnMapping"),
    (6, "identityColumns"),
];

/// Features that readers must know as well.
const FOR_READERS: [&str; 4] = ["columnMapping", "timestampNtz", "deletionVectors", "v2Checkpoint"];

/// A `protocol` action as a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::exec) struct Protocol {
    min_reader_version: i32,
    min_writer_version: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reader_features: Option<BTreeSet<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    writer_features: Option<BTreeSet<String>>,
}

impl Default for Protocol {
    /// The protocol of a plain new table.
    fn default() -> Self {
        Self { min_reader_version: 1, min_writer_version: 2, reader_features: None, writer_features: None }
    }
}

impl Protocol {
    pub(in crate::exec) fn of(action: &Action) -> Result<Self> {
        let value = serde_json::to_value(action).map_err(LocalError::internal)?;
        serde_json::from_value(value).map_err(LocalError::internal)
    }

    pub(super) fn action(&self) -> Result<Action> {
        let value = serde_json::to_value(self).map_err(LocalError::internal)?;
        serde_json::from_value(value).map_err(LocalError::internal)
    }

    pub(in crate::exec) fn min_reader_version(&self) -> i32 {
        self.min_reader_version
    }

    pub(in crate::exec) fn min_writer_version(&self) -> i32 {
        self.min_writer_version
    }

    /// The features in force, named or implied by old versions.
    pub(in crate::exec) fn features(&self) -> BTreeSet<String> {
        match &self.writer_features {
            Some(named) => named.union(&self.reader_features.clone().unwrap_or_default()).cloned().collect(),
            None => self.implied(),
        }
    }

    fn implied(&self) -> BTreeSet<String> {
        let since = IMPLIED.iter().filter(|(version, _)| self.min_writer_version >= *version);
        since.map(|(_, name)| (*name).to_owned()).collect()
    }

    /// With this feature: by a higher version where one implies it and none is named yet, else by name.
    pub(in crate::exec) fn with(mut self, feature: &str) -> Self {
        if self.features().contains(feature) {
            return self;
        }
        let implied_by = IMPLIED.iter().find(|(_, name)| *name == feature).map(|(version, _)| *version);
        match implied_by {
            // From version 6 on identity columns would be implied, which delta-rs does not write.
            Some(version) if self.writer_features.is_none() && version < 6 => {
                self.min_writer_version = self.min_writer_version.max(version);
                if feature == "columnMapping" {
                    self.min_reader_version = self.min_reader_version.max(2);
                }
            }
            _ => self.name(feature),
        }
        self
    }

    fn name(&mut self, feature: &str) {
        let mut writer = self.features();
        writer.insert(feature.to_owned());
        if FOR_READERS.contains(&feature) {
            let mut reader = self.reader_features.take().unwrap_or_default();
            if self.min_reader_version == 2 {
                reader.insert("columnMapping".to_owned());
            }
            reader.insert(feature.to_owned());
            self.reader_features = Some(reader);
            self.min_reader_version = 3;
        }
        self.writer_features = Some(writer);
        self.min_writer_version = NAMED;
    }

    /// With at least these versions, as `delta.minReaderVersion` and `delta.minWriterVersion` ask.
    pub(in crate::exec) fn raised_to(mut self, reader: i32, writer: i32) -> Self {
        if writer >= NAMED && self.writer_features.is_none() {
            self.writer_features = Some(self.implied());
        }
        if reader >= 3 && self.reader_features.is_none() {
            let mapped = (self.min_reader_version == 2).then(|| "columnMapping".to_owned());
            self.reader_features = Some(mapped.into_iter().collect());
        }
        self.min_writer_version = self.min_writer_version.max(writer);
        self.min_reader_version = self.min_reader_version.max(reader);
        self
    }

    /// With every feature and version of the other: a table that is replaced never asks for less.
    pub(super) fn with_all_of(self, other: &Self) -> Self {
        let raised = self.raised_to(other.min_reader_version, other.min_writer_version);
        other.features().iter().fold(raised, |protocol, feature| protocol.with(feature))
    }

    /// With all that a table of these columns and properties needs.
    pub(super) fn for_definition(mut self, definition: &Definition) -> Self {
        let ntz = |field: &StructField| any_type(&field.data_type, &|of| *of == DataType::TIMESTAMP_NTZ);
        let needed = [
            ("timestampNtz", definition.fields.iter().any(ntz)),
            ("columnMapping", mapping::is_on(definition)),
            ("changeDataFeed", definition.is_on("delta.enableChangeDataFeed")),
            ("appendOnly", definition.is_on("delta.appendOnly")),
            ("invariants", definition.fields.iter().any(|field| !field.nullable)),
        ];
        for (feature, _) in needed.iter().filter(|(_, needed)| *needed) {
            self = self.with(feature);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn json(protocol: &Protocol) -> String {
        serde_json::to_string(protocol).unwrap()
    }

    #[test]
    fn an_old_feature_raises_the_versions() {
        let plain = Protocol::default();
        assert_eq!(json(&plain.clone().with("invariants")), r#"{"minReaderVersion":1,"minWriterVersion":2}"#);
        assert_eq!(
            json(&plain.clone().with("changeDataFeed")),
            r#"{"minReaderVersion":1,"minWriterVersion":4}"#
        );
        assert_eq!(json(&plain.with("columnMapping")), r#"{"minReaderVersion":2,"minWriterVersion":5}"#);
    }

    #[test]
    fn a_named_feature_names_the_old_ones_too() {
        let mapped = Protocol::default().with("columnMapping").with("timestampNtz");
        assert_eq!(
            json(&mapped),
            r#"{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["columnMapping","timestampNtz"],"writerFeatures":["appendOnly","changeDataFeed","checkConstraints","columnMapping","generatedColumns","invariants","timestampNtz"]}"#
        );
        let plain = Protocol::default().with("timestampNtz").with("changeDataFeed");
        assert_eq!(
            json(&plain),
            r#"{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["timestampNtz"],"writerFeatures":["appendOnly","changeDataFeed","invariants","timestampNtz"]}"#
        );
    }
}
