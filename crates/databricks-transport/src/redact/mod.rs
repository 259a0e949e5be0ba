//! Keeping secrets out of logs and errors: by name, by shape, and by value where the value is known.
//!
//! Texts that we write name no secret. What is cleaned here is what others wrote: servers, proxies, and the services of
//! programs in the place of the network, all of which may repeat what they were sent.

mod names;
mod sent;
mod text;
mod values;

pub(crate) use names::{is_credential_name, is_secret_header, is_secret_name, mark_sensitive};
pub(crate) use sent::{Sent, SentSecrets};
pub use text::without_secrets;
pub(crate) use text::{is_plain, scrubbed, shown_path, without_quotes};
pub(crate) use values::Secrets;

/// What stands in the place of a secret.
pub(crate) const MASK: &str = "***";
