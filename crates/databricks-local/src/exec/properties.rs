//! Table properties: those of Delta that are understood here, and the user's own.

use std::str::FromStr;

use databricks_testkit::EngineResult;
use deltalake::TableProperty;

use super::commit::{self, checkpoint};
use super::statement::Statement;
use crate::error::{LocalError, Result};

/// Properties whose effect this build has. What another one asks for would be ignored without a word.
const KNOWN: &[&str] = &[
    "delta.appendOnly",
    "delta.autoOptimize.autoCompact",
    "delta.autoOptimize.optimizeWrite",
    "delta.checkpointInterval",
    "delta.dataSkippingNumIndexedCols",
    "delta.dataSkippingStatsColumns",
    "delta.deletedFileRetentionDuration",
    "delta.enableChangeDataFeed",
    "delta.logRetentionDuration",
    "delta.minReaderVersion",
    "delta.minWriterVersion",
    "delta.targetFileSize",
];

/// Refuses Delta properties that Databricks does not know, and those this build does not keep.
pub(super) fn check(properties: &[(String, String)]) -> Result<()> {
    for (key, value) in properties {
        if !key.starts_with("delta.") || KNOWN.contains(&key.as_str()) {
            continue;
        }
        if key == "delta.columnMapping.mode" && value == "none" {
            continue;
        }
        if TableProperty::from_str(key).is_err() && !key.starts_with("delta.feature.") {
            let message = format!("Unknown configuration was specified: {key}.");
            return Err(LocalError::new("DELTA_UNKNOWN_CONFIGURATION", "F0000", message));
        }
        return Err(LocalError::unsupported_feature(format_args!("the table property '{key}' = '{value}'")));
    }
    Ok(())
}

impl Statement {
    /// ALTER TABLE .. SET TBLPROPERTIES: one commit.
    pub(super) async fn set_properties(
        &self,
        name: &[String],
        properties: Vec<(String, String)>,
    ) -> Result<EngineResult> {
        check(&properties)?;
        let path = self.object(name)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let commit_properties = commit::properties_of(&self.user);
        commit::in_task(async move {
            let _only_writer = guard;
            let after = table
                .set_tbl_properties()
                .with_properties(properties.into_iter().collect())
                .with_raise_if_not_exists(false)
                .with_commit_properties(commit_properties)
                .await?;
            checkpoint(&after, after.version().unwrap_or(0)).await;
            Ok(EngineResult::default())
        })
        .await
    }
}
