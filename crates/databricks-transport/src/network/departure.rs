//! Whether a request got as far as a connection. One that is given up before has had no effect, and may be sent again.

use http::Request;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};

use crate::stack::CallState;

/// Watches a request until it is answered, fails, or is given up, which is when this is dropped.
#[derive(Debug)]
pub(super) struct Departure<'c> {
    connection: CaptureConnection,
    call: &'c CallState,
}

impl<'c> Departure<'c> {
    pub(super) fn of<B>(request: &mut Request<B>, call: &'c CallState) -> Self {
        Self { connection: capture_connection(request), call }
    }
}

impl Drop for Departure<'_> {
    /// hyper notes the connection before it hands the request to it.
    fn drop(&mut self) {
        self.call.departed(self.connection.connection_metadata().is_some());
    }
}
