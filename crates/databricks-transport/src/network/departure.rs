//! Whether a request got as far as a connection. One that is given up before has had no effect, and may be sent again.

use crate::stack::CallState;

/// Watches a request until it is answered, fails, or is given up, which is when this is dropped.
pub(super) struct Departure<'c> {
    call: &'c CallState,
    has_left: bool,
}

impl<'c> Departure<'c> {
    pub(super) fn of(call: &'c CallState) -> Self {
        call.departs(true);
        Self { call, has_left: false }
    }

    /// It is about to be handed to a connection.
    pub(super) fn has_left(&mut self) {
        self.has_left = true;
        self.call.departs(false);
    }

    /// The connection had not begun with it, and gave it back.
    pub(super) fn has_stayed(&mut self) {
        self.has_left = false;
        self.call.departs(true);
    }
}

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        self.call.departs(false);
        self.call.departed(self.has_left);
    }
}
