//! Table features and properties: which are the log's, which are kept under names of this crate's own, and how both
//! are shown.

use std::collections::{BTreeMap, BTreeSet};

use super::Definition;

/// What stands before the keys of properties that only this crate reads.
const OWN: &str = "databricksLocal.";

/// Features and properties that delta-rs would refuse a table for. They change nothing for a reader: the data is
/// written as if each had been spelled out.
const KEPT_APART: [&str; 3] =
    ["delta.enableTypeWidening", "delta.feature.allowColumnDefaults", "delta.feature.typeWidening"];

/// The name under which the log keeps a property that only this crate reads.
pub(in crate::exec) fn own(key: &str) -> String {
    format!("{OWN}{key}")
}

/// The name under which the log keeps a property.
pub(in crate::exec) fn shown(key: &str) -> String {
    if KEPT_APART.contains(&key) { own(key) } else { key.to_owned() }
}

/// What users see of a definition.
pub(in crate::exec) struct Shown {
    /// Properties, without features.
    pub(in crate::exec) properties: BTreeMap<String, String>,
    /// Table features.
    pub(in crate::exec) features: BTreeSet<String>,
}

impl Shown {
    pub(in crate::exec) fn of(definition: &Definition) -> Self {
        let mut features = definition.protocol.features();
        let mut properties = BTreeMap::new();
        for (key, value) in &definition.configuration {
            let key = match key.strip_prefix(OWN) {
                None => key,
                Some(kept) if KEPT_APART.contains(&kept) => kept,
                Some(_) => continue,
            };
            match key.strip_prefix("delta.feature.") {
                Some(feature) => _ = features.insert(feature.to_owned()),
                None => _ = properties.insert(key.to_owned(), value.clone()),
            }
        }
        if !definition.clustering().is_empty() {
            features.extend(["clustering".to_owned(), "domainMetadata".to_owned()]);
        }
        Self { properties, features }
    }

    /// The properties as SHOW TBLPROPERTIES and Unity Catalog list them: with the protocol.
    pub(in crate::exec) fn listed(definition: &Definition) -> BTreeMap<String, String> {
        let Self { mut properties, features } = Self::of(definition);
        let protocol = &definition.protocol;
        properties.insert("delta.minReaderVersion".to_owned(), protocol.min_reader_version().to_string());
        properties.insert("delta.minWriterVersion".to_owned(), protocol.min_writer_version().to_string());
        let supported = |feature: String| (format!("delta.feature.{feature}"), "supported".to_owned());
        properties.extend(features.into_iter().map(supported));
        properties
    }
}
