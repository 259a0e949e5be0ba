//! When a player records and when it replays.

use std::fmt;
use std::str::FromStr;

use databricks_transport::{Error, ErrorKind};

/// The environment variable that chooses the mode of a test run.
const VARIABLE: &str = "DATABRICKS_CASSETTE_MODE";

/// When a [`CassettePlayer`](crate::CassettePlayer) records and when it replays. Where the options set none, the
/// environment decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CassetteMode {
    /// Replays only. What was not recorded is an error. The mode for continuous integration.
    None,
    /// Records when the file does not exist yet, else replays.
    #[default]
    Once,
    /// Replays what is recorded, and records the rest behind it.
    NewEpisodes,
    /// Records everything anew. The file is replaced when the player is finished.
    All,
    /// Neither: requests go through, and nothing is kept.
    Passthrough,
}

impl CassetteMode {
    /// The mode that `DATABRICKS_CASSETTE_MODE` names: `none`, `once`, `new_episodes`, `all` or `passthrough`, in any
    /// case; [`Once`](Self::Once) when it is not set or empty.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming a value that is none of these.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_vars(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The same, reading variables from a function.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_vars(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        match variable(VARIABLE) {
            None => Ok(Self::default()),
            Some(text) if text.trim().is_empty() => Ok(Self::default()),
            Some(text) => text.parse(),
        }
    }

    /// The name in the environment variable.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Once => "once",
            Self::NewEpisodes => "new_episodes",
            Self::All => "all",
            Self::Passthrough => "passthrough",
        }
    }
}

impl fmt::Display for CassetteMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CassetteMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let name = text.trim().to_ascii_lowercase();
        let modes = [Self::None, Self::Once, Self::NewEpisodes, Self::All, Self::Passthrough];
        modes.into_iter().find(|mode| mode.as_str() == name).ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            Error::new(
                ErrorKind::Config,
                format!(
                    "{VARIABLE} is {shown:?}, which is no mode: use none, once, new_episodes, all or passthrough"
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn read(value: Option<&str>) -> Result<CassetteMode, Error> {
        CassetteMode::from_vars(|name| (name == VARIABLE).then(|| value.map(str::to_owned)).flatten())
    }

    #[test]
    fn the_variable_names_the_mode_and_once_is_the_default() {
        let table = [
            (None, CassetteMode::Once),
            (Some(" "), CassetteMode::Once),
            (Some("none"), CassetteMode::None),
            (Some("NEW_EPISODES"), CassetteMode::NewEpisodes),
            (Some(" all "), CassetteMode::All),
            (Some("passthrough"), CassetteMode::Passthrough),
        ];
        for (value, mode) in table {
            assert_eq!(read(value).unwrap(), mode, "{value:?}");
        }
    }

    #[test]
    fn an_unknown_mode_is_an_error_that_names_it() {
        let error = read(Some("replay")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.to_string(),
            "DATABRICKS_CASSETTE_MODE is \"replay\", which is no mode: use none, once, new_episodes, all or passthrough"
        );
    }
}
