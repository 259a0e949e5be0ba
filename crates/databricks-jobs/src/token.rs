//! Idempotency tokens: with one, a start may be sent again without starting twice.

use crate::{JobError, Result};

/// The longest token the API takes, in characters.
const LONGEST: usize = 64;

/// A token that a caller may have set.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdempotencyToken(Option<String>);

impl IdempotencyToken {
    pub(crate) fn set(&mut self, token: impl Into<String>) {
        self.0 = Some(token.into());
    }

    /// The caller's token, else a random one.
    pub(crate) fn filled(self) -> Result<String> {
        match self.0 {
            None => Ok(uuid::Uuid::new_v4().to_string()),
            Some(token) if token.is_empty() || token.chars().count() > LONGEST => {
                let remedy = "use 1 to 64 characters";
                Err(JobError::InvalidSetting { name: "idempotency token", value: token, remedy })
            }
            Some(token) => Ok(token),
        }
    }
}
