//! How much of the traffic a log shows.

use super::DatabricksConfig;
use super::setting::Key;

/// The longest text of a body that a log shows, in bytes, unless set.
const TRUNCATE_BYTES: usize = 96;

/// How much of the traffic a log shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DebugConfig {
    /// The longest text of a body that is shown, in bytes.
    pub(crate) truncate_bytes: usize,
    /// Whether headers are shown.
    pub(crate) headers: bool,
}

impl Default for DebugConfig {
    fn default() -> Self {
        Self { truncate_bytes: TRUNCATE_BYTES, headers: false }
    }
}

impl DatabricksConfig {
    /// How many bytes of each text in a JSON body a log shows at level TRACE; the rest is counted. 96 unless set.
    /// Secrets, SQL, its parameters and rows of results are never shown.
    #[must_use]
    pub fn with_debug_truncate_bytes(mut self, bytes: usize) -> Self {
        self.settings.set_in_code(Key::DebugTruncateBytes, bytes.to_string());
        self.debug.truncate_bytes = bytes;
        self
    }

    /// Whether a log shows headers at level DEBUG. Of headers that are not known to be harmless it shows the names only.
    /// Not unless set.
    #[must_use]
    pub fn with_debug_headers(mut self, shown: bool) -> Self {
        self.settings.set_in_code(Key::DebugHeaders, shown.to_string());
        self.debug.headers = shown;
        self
    }

    pub(crate) fn debug(&self) -> DebugConfig {
        self.debug
    }

    /// The values of the settings that are secret, wherever they came from and whether they are used or not.
    pub(crate) fn secret_settings(&self) -> impl Iterator<Item = &str> {
        self.settings.iter().filter(|(key, _)| key.is_secret()).map(|(_, value)| value.text())
    }
}
