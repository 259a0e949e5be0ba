//! What the server says of a warehouse.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::WarehouseId;

/// Where a warehouse stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum WarehouseState {
    /// On its way to running.
    Starting,
    /// Runs statements.
    Running,
    /// On its way to being stopped.
    Stopping,
    /// Stopped. A statement that needs it starts it.
    Stopped,
    /// On its way to being deleted.
    Deleting,
    /// Deleted.
    Deleted,
    /// A state that this version does not know, as the server spells it; empty if the server named none.
    Unknown(String),
}

impl WarehouseState {
    /// The state as the server spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
            Self::Deleting => "DELETING",
            Self::Deleted => "DELETED",
            Self::Unknown(text) => text,
        }
    }
}

impl Default for WarehouseState {
    fn default() -> Self {
        Self::Unknown(String::new())
    }
}

impl From<String> for WarehouseState {
    fn from(text: String) -> Self {
        match text.as_str() {
            "STARTING" => Self::Starting,
            "RUNNING" => Self::Running,
            "STOPPING" => Self::Stopping,
            "STOPPED" => Self::Stopped,
            "DELETING" => Self::Deleting,
            "DELETED" => Self::Deleted,
            _ => Self::Unknown(text),
        }
    }
}

impl From<WarehouseState> for String {
    fn from(state: WarehouseState) -> Self {
        state.as_str().to_owned()
    }
}

impl fmt::Display for WarehouseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.as_str().is_empty() { "in no known state" } else { self.as_str() })
    }
}

/// A SQL warehouse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Warehouse {
    /// Its id.
    pub id: WarehouseId,
    /// Its name, unique in the workspace.
    #[serde(default)]
    pub name: String,
    /// Where it stands.
    #[serde(default)]
    pub state: WarehouseState,
    /// The size of its clusters, such as `2X-Small`.
    #[serde(default)]
    pub cluster_size: Option<String>,
    /// The clusters that run now.
    #[serde(default)]
    pub num_clusters: Option<u32>,
    /// The clusters that it may grow to.
    #[serde(default)]
    pub max_num_clusters: Option<u32>,
    /// The sessions that it serves now.
    #[serde(default)]
    pub num_active_sessions: Option<u64>,
    /// Minutes without a statement after which it stops; 0 is never.
    #[serde(default)]
    pub auto_stop_mins: Option<u64>,
    /// `PRO` or `CLASSIC`.
    #[serde(default)]
    pub warehouse_type: Option<String>,
    /// Whether its machines are Databricks' own.
    #[serde(default)]
    pub enable_serverless_compute: Option<bool>,
    /// Who made it.
    #[serde(default)]
    pub creator_name: Option<String>,
    /// How well it is.
    #[serde(default)]
    pub health: Option<WarehouseHealth>,
    /// What else the server says.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Warehouse {
    /// What is wrong with it, if the server says that something is.
    pub(super) fn ailment(&self) -> Option<String> {
        let WarehouseHealth { status, summary, details, .. } = self.health.as_ref()?;
        let status = status.as_deref().filter(|status| *status != "HEALTHY")?;
        let words = summary.iter().chain(details).map(String::as_str).filter(|text| !text.is_empty());
        Some([status].into_iter().chain(words).collect::<Vec<_>>().join(": "))
    }
}

/// How well a warehouse is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WarehouseHealth {
    /// `HEALTHY`, `DEGRADED` or `FAILED`.
    #[serde(default)]
    pub status: Option<String>,
    /// What is wrong, in short.
    #[serde(default)]
    pub summary: Option<String>,
    /// What is wrong, at length.
    #[serde(default)]
    pub details: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_is_not_known_is_kept() {
        let json = serde_json::json!({
            "id": "w1", "name": "n", "state": "HIBERNATING", "channel": {"name": "CURRENT"}, "num_clusters": null,
            "health": {"status": "DEGRADED", "summary": "slow", "details": null, "message": "x"},
        });
        let warehouse: Warehouse = serde_json::from_value(json).unwrap();
        assert_eq!(warehouse.state, WarehouseState::Unknown("HIBERNATING".to_owned()));
        assert_eq!(warehouse.extra["channel"]["name"], "CURRENT");
        assert_eq!(warehouse.ailment().unwrap(), "DEGRADED: slow");
        let back = serde_json::to_value(&warehouse).unwrap();
        assert_eq!(back["state"], "HIBERNATING");
    }

    #[test]
    fn states_read_back() {
        for text in ["STARTING", "RUNNING", "STOPPING", "STOPPED", "DELETING", "DELETED", "NEW"] {
            let state = WarehouseState::from(text.to_owned());
            assert_eq!(matches!(state, WarehouseState::Unknown(_)), text == "NEW");
            assert_eq!(String::from(state), text);
        }
        assert_eq!(WarehouseState::default().to_string(), "in no known state");
    }
}
