//! SET and UNSET TBLPROPERTIES: Delta's own that are understood here, table features, and the user's.

use deltalake::TableProperty;
use serde_json::{Value, json};
use std::str::FromStr;

use super::{Edit, Rows, text};
use crate::error::{LocalError, Result};
use crate::exec::definition::{Definition, mapping, own, shown};
use crate::metastore::ObjectPath;

/// Properties whose effect this build has. What another one asks for would be ignored without a word.
const KNOWN: [&str; 14] = [
    "delta.appendOnly",
    "delta.autoOptimize.autoCompact",
    "delta.autoOptimize.optimizeWrite",
    "delta.checkpointInterval",
    "delta.columnMapping.mode",
    "delta.dataSkippingNumIndexedCols",
    "delta.dataSkippingStatsColumns",
    "delta.deletedFileRetentionDuration",
    "delta.enableChangeDataFeed",
    "delta.enableTypeWidening",
    "delta.logRetentionDuration",
    MIN_READER,
    MIN_WRITER,
    "delta.targetFileSize",
];

const MIN_READER: &str = "delta.minReaderVersion";
const MIN_WRITER: &str = "delta.minWriterVersion";
const FEATURE: &str = "delta.feature.";

/// Properties that are `true` or `false`.
const SWITCHES: [&str; 5] = [
    "delta.appendOnly",
    "delta.autoOptimize.autoCompact",
    "delta.autoOptimize.optimizeWrite",
    "delta.enableChangeDataFeed",
    "delta.enableTypeWidening",
];

/// Features that a table can be given by name. Both kinds can be written here; the last two are kept apart.
const FEATURES: [&str; 9] = [
    "appendOnly",
    "invariants",
    "checkConstraints",
    "changeDataFeed",
    "generatedColumns",
    "columnMapping",
    "timestampNtz",
    "allowColumnDefaults",
    "typeWidening",
];

/// Refuses Delta properties that Databricks does not know, and those this build does not keep.
pub(in crate::exec) fn check(properties: &[(String, String)]) -> Result<()> {
    properties.iter().try_for_each(|(key, value)| check_one(&canonical(key), value))
}

fn check_one(key: &str, value: &str) -> Result<()> {
    if let Some(feature) = key.strip_prefix(FEATURE) {
        return check_feature(feature, value);
    }
    if key.starts_with("delta.constraints.") {
        let message = "Please use ALTER TABLE ADD CONSTRAINT to add CHECK constraints.";
        return Err(LocalError::new("DELTA_ADD_CONSTRAINTS", "0A000", message));
    }
    if ["location", "provider", "external"].contains(&key) {
        let message = format!("The feature is not supported: {key} is a reserved table property.");
        return Err(LocalError::new("UNSUPPORTED_FEATURE.SET_TABLE_PROPERTY", "0A000", message));
    }
    if key.starts_with(&own("")) {
        return Err(LocalError::unsupported_feature(format_args!(
            "the table property '{key}', a name kept by the local workspace"
        )));
    }
    if !key.starts_with("delta.") {
        return Ok(());
    }
    if SWITCHES.contains(&key) && value.parse::<bool>().is_err() {
        let message = format!("The table property '{key}' is 'true' or 'false', not '{value}'.");
        return Err(LocalError::new("INVALID_PARAMETER_VALUE", "22023", message));
    }
    if KNOWN.contains(&key) {
        return Ok(());
    }
    if TableProperty::from_str(key).is_err() {
        let message = format!("Unknown configuration was specified: {key}.");
        return Err(LocalError::new("DELTA_UNKNOWN_CONFIGURATION", "F0000", message));
    }
    Err(LocalError::unsupported_feature(format_args!("the table property '{key}' = '{value}'")))
}

fn check_feature(feature: &str, value: &str) -> Result<()> {
    if !["supported", "enabled"].iter().any(|known| value.eq_ignore_ascii_case(known)) {
        let message = format!(
            "Expecting the status for table feature {feature} to be \"supported\", but got \"{value}\"."
        );
        return Err(LocalError::new("DELTA_UNSUPPORTED_FEATURE_STATUS", "0AKDE", message));
    }
    if FEATURES.contains(&feature) {
        return Ok(());
    }
    Err(LocalError::unsupported_feature(format_args!("the table feature {feature}")))
}

/// Delta's own keys have one spelling, whatever the case they are written in.
fn canonical(key: &str) -> String {
    let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(key));
    let is_feature = key.get(..FEATURE.len()).is_some_and(|start| start.eq_ignore_ascii_case(FEATURE));
    let feature = key.get(FEATURE.len()..).filter(|_| is_feature);
    match (known, feature) {
        (Some(known), _) => (*known).to_owned(),
        (None, Some(feature)) => {
            let known = FEATURES.iter().find(|known| known.eq_ignore_ascii_case(feature));
            format!("{FEATURE}{}", known.copied().unwrap_or(feature))
        }
        (None, None) => key.to_owned(),
    }
}

pub(super) fn set_edit(before: &Definition, pairs: &[(String, String)]) -> Result<Edit> {
    check(pairs)?;
    let mut after = before.clone();
    set(&mut after, pairs)?;
    let listed: serde_json::Map<String, Value> =
        pairs.iter().map(|(key, value)| (canonical(key), Value::from(value.clone()))).collect();
    Ok(Edit {
        definition: after,
        operation: "SET TBLPROPERTIES",
        parameters: vec![("properties", text(&Value::Object(listed)))],
        rows: Rows::Kept,
    })
}

/// The comment of a table is a property to SQL.
pub(super) fn commented(before: &Definition, comment: Option<&str>) -> Edit {
    let mut after = before.clone();
    after.description = comment.map(str::to_owned);
    Edit {
        definition: after,
        operation: "SET TBLPROPERTIES",
        parameters: vec![("properties", text(&json!({ "comment": comment })))],
        rows: Rows::Kept,
    }
}

/// Gives a definition properties that [`check`] has let through.
pub(in crate::exec) fn set(after: &mut Definition, pairs: &[(String, String)]) -> Result<()> {
    for (key, value) in pairs {
        let key = canonical(key);
        if let Some(feature) = key.strip_prefix(FEATURE) {
            enable(after, feature);
            continue;
        }
        match key.as_str() {
            "comment" => after.description = Some(value.clone()),
            MIN_READER | MIN_WRITER => raise(after, &key, value)?,
            mapping::MODE => set_mapping(after, value)?,
            _ => _ = after.configuration.insert(shown(&key), value.clone()),
        }
        if key == "delta.enableTypeWidening" && after.is_on(&key) {
            enable(after, "typeWidening");
        }
        if key == "delta.enableChangeDataFeed" {
            after.fields.iter().try_for_each(|field| super::add::check_reserved(after, &field.name))?;
        }
    }
    Ok(())
}

fn enable(after: &mut Definition, feature: &str) {
    let key = format!("{FEATURE}{feature}");
    let kept = shown(&key);
    if kept == key {
        after.protocol = after.protocol.clone().with(feature);
    } else {
        after.configuration.insert(kept, "supported".to_owned());
    }
}

/// Versions go up only.
fn raise(after: &mut Definition, key: &str, value: &str) -> Result<()> {
    let reader = key == MIN_READER;
    let known: &[i32] = if reader { &[1, 2, 3] } else { &[1, 2, 3, 4, 5, 7] };
    let version = value.parse().ok().filter(|version| known.contains(version));
    let Some(version) = version else {
        return Err(LocalError::unsupported_feature(format_args!("the table property '{key}' = '{value}'")));
    };
    let (read, write) = if reader { (version, 0) } else { (0, version) };
    after.protocol = after.protocol.clone().raised_to(read, write);
    Ok(())
}

/// Column mapping goes on by name, and never off again.
fn set_mapping(after: &mut Definition, mode: &str) -> Result<()> {
    let mode = mode.to_ascii_lowercase();
    let now = after.configuration.get(mapping::MODE).map_or("none", String::as_str).to_owned();
    if mode == now {
        after.configuration.insert(mapping::MODE.to_owned(), mode);
        return Ok(());
    }
    match (now.as_str(), mode.as_str()) {
        ("none", "name") => {
            after.configuration.insert(mapping::MODE.to_owned(), mode);
            mapping::assign(after, mapping::Naming::AsCalled)
        }
        (_, "none" | "name" | "id") => {
            let message = format!("Changing column mapping mode from '{now}' to '{mode}' is not supported.");
            Err(LocalError::new("DELTA_UNSUPPORTED_COLUMN_MAPPING_MODE_CHANGE", "0AKDC", message))
        }
        _ => {
            let message = format!(
                "The column mapping mode '{mode}' is not known. The modes are 'none', 'name' and 'id'."
            );
            Err(LocalError::new("INVALID_PARAMETER_VALUE", "22023", message))
        }
    }
}

pub(super) fn unset_edit(
    before: &Definition,
    path: &ObjectPath,
    keys: &[String],
    if_exists: bool,
) -> Result<Edit> {
    let mut after = before.clone();
    for key in keys {
        let key = canonical(key);
        if key.starts_with(FEATURE) || key == MIN_READER || key == MIN_WRITER {
            let what = format!("UNSET TBLPROPERTIES of '{key}': the protocol of a table keeps what it has");
            return Err(LocalError::unsupported_feature(what));
        }
        if key == mapping::MODE && mapping::is_on(before) {
            let message = "Changing column mapping mode from 'name' to 'none' is not supported.";
            return Err(LocalError::new("DELTA_UNSUPPORTED_COLUMN_MAPPING_MODE_CHANGE", "0AKDC", message));
        }
        let there = if key == "comment" {
            after.description.take().is_some()
        } else {
            after.configuration.remove(&shown(&key)).is_some()
        };
        if !there && !if_exists {
            let message =
                format!("Attempted to unset non-existent property '{key}' in table {}.", path.full_name());
            return Err(LocalError::new("DELTA_UNSET_NON_EXISTENT_PROPERTY", "42616", message));
        }
    }
    Ok(Edit {
        definition: after,
        operation: "UNSET TBLPROPERTIES",
        parameters: vec![("properties", text(&json!(keys))), ("ifExists", Value::from(if_exists))],
        rows: Rows::Kept,
    })
}
