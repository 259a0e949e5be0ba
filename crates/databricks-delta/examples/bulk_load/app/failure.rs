//! Why the table has not all rows.

use std::fmt;

use databricks_delta::DeltaError;
use databricks_transport::Error;

use super::sources::SourceError;

/// Why the table has not all rows.
#[derive(Debug)]
pub(crate) enum Failure {
    Delta(Box<DeltaError>),
    Transport(Error),
    Source(SourceError),
    NoWarehouse,
    /// The files and the table do not go together.
    Table(String),
    /// The reader's thread ended without a word.
    Reader(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Delta(error) if matches!(**error, DeltaError::InvalidOption { .. }) => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delta(error) => write_with_sources(f, error),
            Self::Transport(error) => write_with_sources(f, error),
            Self::Source(error) => write_with_sources(f, error),
            Self::NoWarehouse => f.write_str(
                "no warehouse is configured: set DATABRICKS_WAREHOUSE_ID, or `warehouse_id` in the profile",
            ),
            Self::Table(message) | Self::Reader(message) => f.write_str(message),
        }
    }
}

fn write_with_sources(f: &mut fmt::Formatter<'_>, error: &dyn std::error::Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut source = error.source();
    while let Some(error) = source {
        write!(f, ": {error}")?;
        source = error.source();
    }
    Ok(())
}

impl From<DeltaError> for Failure {
    fn from(error: DeltaError) -> Self {
        Self::Delta(Box::new(error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Transport(error)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}
