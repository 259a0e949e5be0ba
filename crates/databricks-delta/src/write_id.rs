//! The identity of a write: random, or derived from the caller's key, so that a repeated write names the same files.

use std::fmt;
use std::str::FromStr;

use databricks_schema::TableName;
use uuid::Uuid;

use crate::error::{DeltaError, Result};

/// The namespace of derived write ids. It is part of what makes a rerun find its files: it never changes.
const NAMESPACE: Uuid = Uuid::from_u128(0x5f3c_41d2_6a0b_4e0e_9c55_7b1f_d2a8_03e6);

/// Identifies one write. The paths of its staged files are a function of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriteId(Uuid);

impl WriteId {
    pub(crate) fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id of the write of `key` to `table`. Names of tables are compared as the server does: without case.
    pub(crate) fn derived(key: &str, table: &TableName) -> Self {
        let name = format!("{}\n{key}", table.full_name().to_lowercase());
        Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
    }

    /// Whether it is that of a key.
    pub(crate) fn is_derived(self) -> bool {
        self.0.get_version_num() == 5
    }
}

/// Reads an id as it is printed, from a log or from [`DeltaError::OutcomeUnknown`](crate::DeltaError::OutcomeUnknown).
impl FromStr for WriteId {
    type Err = DeltaError;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::try_parse(text).map(Self).map_err(|_| DeltaError::InvalidOption {
            option: "write_id",
            value: text.to_owned(),
            reason: "it is no UUID, such as 5f3c41d2-6a0b-4e0e-9c55-7b1fd2a803e6".to_owned(),
        })
    }
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_same_key_and_table_give_the_same_id() {
        let table = TableName::new("main", "weather", "days").unwrap();
        let shouted = TableName::new("main", "weather", "DAYS").unwrap();
        let other = TableName::new("main", "weather", "hours").unwrap();
        assert_eq!(WriteId::derived("k", &table), WriteId::derived("k", &table));
        assert_eq!(WriteId::derived("k", &table), WriteId::derived("k", &shouted));
        assert_ne!(WriteId::derived("k", &table), WriteId::derived("l", &table));
        assert_ne!(WriteId::derived("k", &table), WriteId::derived("k", &other));
        assert_ne!(WriteId::random(), WriteId::random());
    }

    #[test]
    fn a_derived_id_is_the_same_in_every_release() {
        let table = TableName::new("main", "weather", "days").unwrap();
        insta::assert_snapshot!(WriteId::derived("2026-01-01", &table));
    }
}
