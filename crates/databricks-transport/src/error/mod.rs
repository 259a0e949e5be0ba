//! The one error of the transport: what failed, in which operation, after how many attempts, and what to check.

mod api;
mod decode;
mod details;
mod kind;
mod parse;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

pub use api::ApiError;
pub use details::{ErrorInfo, FieldViolation, QuotaViolation, ResourceInfo};
pub use kind::ErrorKind;

use crate::redact::Sent;
use crate::service::BoxError;

/// The longest text of a server that a one-line message repeats.
const SHOWN: usize = 2000;

/// What went wrong with a call.
///
/// `Display` is one line for a person: operation, status, code, message, request id, attempts. It never prints the
/// [`source`](std::error::Error::source). Programs branch on [`kind`](Error::kind).
///
/// ```
/// use databricks_transport::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Config, "DATABRICKS_HOST is not set");
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert_eq!(error.to_string(), "DATABRICKS_HOST is not set");
/// ```
///
/// What to do with one that a call returned:
///
/// ```
/// use databricks_transport::{Error, ErrorKind};
///
/// fn next_step(error: &Error) -> &'static str {
///     match error.kind() {
///         ErrorKind::NotFound => "create it",
///         ErrorKind::Config | ErrorKind::Auth => "tell a person: the message says what to check",
///         // It may have happened: find out before doing it again.
///         _ if error.is_ambiguous() => "look",
///         _ if error.is_retryable() => "try again later",
///         _ => "give up",
///     }
/// }
///
/// assert_eq!(next_step(&Error::new(ErrorKind::Timeout, "no answer").with_ambiguous(true)), "look");
/// ```
///
/// Texts of servers are in it as they were said, but for what repeats a credential, which is `***`.
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    api: Option<ApiError>,
    call: Option<CallSummary>,
    ambiguous: bool,
    transient: bool,
    unprocessed: bool,
    source: Option<BoxError>,
}

/// How far a call had come when it failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSummary {
    pub(crate) operation: &'static str,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) ambiguous: bool,
}

impl Error {
    /// An error of a kind, with a message that names the value at fault and the remedy, and no secret: leaves and layers of
    /// a program's own return them.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            hint: None,
            api: None,
            call: None,
            ambiguous: false,
            transient: false,
            unprocessed: false,
            source: None,
        }))
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what to check: a sentence, printed after the message.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Marks that the request may have taken effect although no answer says so; see
    /// [`is_ambiguous`](Error::is_ambiguous).
    #[must_use]
    pub fn with_ambiguous(mut self, ambiguous: bool) -> Self {
        self.0.ambiguous = ambiguous;
        self
    }

    /// Marks that the cause may pass although the kind does not say so.
    #[must_use]
    pub(crate) fn with_transient(mut self, transient: bool) -> Self {
        self.0.transient = transient;
        self
    }

    /// Marks that the server did nothing with the request, by its own word: it may be sent again whatever it does.
    #[must_use]
    pub(crate) fn with_unprocessed(mut self) -> Self {
        self.0.unprocessed = true;
        self
    }

    /// Whether the server says that it did nothing with the request, as if it had never been reached.
    pub(crate) fn is_unprocessed(&self) -> bool {
        self.0.unprocessed
    }

    /// The error that an answer of the server stands for.
    pub fn from_api(api: ApiError) -> Self {
        let mut error = Self::new(api.kind(), api.message.clone());
        error.0.api = Some(api);
        error
    }

    pub(crate) fn with_call(mut self, call: CallSummary) -> Self {
        self.0.ambiguous |= call.ambiguous;
        self.0.call = Some(call);
        self
    }

    /// The same without what the request carried: for errors of leaves, which may name URLs and headers.
    pub(crate) fn cleaned(mut self, sent: &Sent) -> Self {
        let inner = &mut *self.0;
        inner.message = sent.cleaned(&inner.message);
        inner.hint = inner.hint.as_deref().map(|hint| sent.cleaned(hint));
        inner.api = inner.api.take().map(|api| api.cleaned(sent));
        inner.source = inner.source.take().map(|source| cleaned_source(source, sent));
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without operation and status.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to check, when there is something specific to say.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The server's own error, when it answered with one.
    pub fn api_error(&self) -> Option<&ApiError> {
        self.0.api.as_ref()
    }

    /// The HTTP status, when the server answered.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.api.as_ref().map(|api| api.status)
    }

    /// The server's id of the request, for a support ticket.
    pub fn request_id(&self) -> Option<&str> {
        self.0.api.as_ref().and_then(|api| api.request_id.as_deref())
    }

    /// The operation that failed, such as `sql.execute`.
    pub fn operation(&self) -> Option<&str> {
        self.0.call.map(|call| call.operation)
    }

    /// How many times the request was sent; 0 when it never was.
    pub fn attempts(&self) -> u32 {
        self.0.call.map_or(0, |call| call.attempts)
    }

    /// How long the call took, waits included.
    pub fn elapsed(&self) -> Duration {
        self.0.call.map_or(Duration::ZERO, |call| call.elapsed)
    }

    /// Whether the cause is transient, so that the same call may succeed later. When
    /// [`is_ambiguous`](Error::is_ambiguous) too, find out first whether it took effect.
    pub fn is_retryable(&self) -> bool {
        self.0.transient
            || self.0.kind.is_transient()
            || self.0.api.as_ref().is_some_and(ApiError::is_retryable)
    }

    /// Whether a request that changes something was sent and its effect is unknown: some attempt ended in a timeout,
    /// a broken connection, a 5xx that is no refusal, or a good answer that could not be read. Reads (`GET`, `HEAD`) are
    /// never ambiguous.
    pub fn is_ambiguous(&self) -> bool {
        self.0.ambiguous
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, hint, api, call, ambiguous, transient, unprocessed, source } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("message", message)
            .field("hint", hint)
            .field("api", api)
            .field("call", call)
            .field("ambiguous", ambiguous)
            .field("transient", transient)
            .field("unprocessed", unprocessed)
            .field("source", source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = match self.api_error() {
            Some(api) => api.to_string(),
            None => OneLine(self.message()).to_string(),
        };
        if let Some(hint) = self.hint() {
            let stop = if line.ends_with('.') { "" } else { "." };
            line = format!("{line}{stop} {}", OneLine(hint));
        }
        if let Some(operation) = self.operation() {
            write!(f, "{operation}: ")?;
        }
        f.write_str(&line)?;
        let sent = match self.attempts() {
            0 => None,
            1 => Some("1 attempt".to_owned()),
            many => Some(format!("{many} attempts")),
        };
        match (self.request_id().map(OneLine), sent) {
            (Some(id), Some(sent)) => write!(f, " (request id {id}, {sent})"),
            (Some(id), None) => write!(f, " (request id {id})"),
            (None, Some(sent)) => write!(f, " ({sent})"),
            (None, None) => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Text on one line: runs of white space become one space; control characters, and those that turn or hide the text
/// around them, go; length is bounded.
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        let mut is_gap = false;
        for character in self.0.chars() {
            if character.is_whitespace() {
                is_gap = shown > 0;
            } else if is_shown(character) {
                if is_gap {
                    f.write_str(" ")?;
                    shown += 1;
                }
                is_gap = false;
                if shown >= SHOWN {
                    return f.write_str("…");
                }
                write!(f, "{character}")?;
                shown += 1;
            }
        }
        Ok(())
    }
}

/// A cause that repeats a secret anywhere in its chain is replaced by its own words, cleaned.
fn cleaned_source(source: BoxError, sent: &Sent) -> BoxError {
    let mut texts = format!("{source:?}");
    let mut current: Option<&(dyn StdError + 'static)> = Some(&*source);
    while let Some(error) = current {
        texts.push_str(&format!(" {error}"));
        current = error.source();
    }
    if sent.cleaned(&texts) == texts { source } else { sent.cleaned(&source.to_string()).into() }
}

/// Whether a text shows nothing.
fn is_blank(text: &str) -> bool {
    !text.chars().any(|character| !character.is_whitespace() && is_shown(character))
}

/// Neither a control character nor one without a form of its own: marks of direction, joiners, tags, byte order marks.
fn is_shown(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The last cause in a chain: what really happened (`connection refused`), without the layers above it.
pub(crate) fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn summary(attempts: u32) -> CallSummary {
        CallSummary { operation: "sql.execute", attempts, elapsed: Duration::from_secs(2), ambiguous: false }
    }

    #[test]
    fn the_error_is_one_pointer_wide() {
        assert_eq!(std::mem::size_of::<Error>(), 8);
        fn sendable<T: Send + Sync + 'static>() {}
        sendable::<Error>();
    }

    #[test]
    fn display_is_one_line_with_everything_a_ticket_needs() {
        let mut api = ApiError::new(StatusCode::FORBIDDEN, "no\n  USE CATALOG\ton `c`");
        api.error_code = Some("PERMISSION_DENIED".into());
        api.request_id = Some("r-1".into());
        let error = Error::from_api(api).with_call(summary(3)).with_hint("Ask the owner.");
        assert_eq!(
            error.to_string(),
            "sql.execute: 403 Forbidden, PERMISSION_DENIED: no USE CATALOG on `c`. Ask the owner. (request id r-1, 3 attempts)"
        );
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_eq!((error.attempts(), error.elapsed()), (3, Duration::from_secs(2)));
    }

    #[test]
    fn display_never_prints_the_source() {
        let error = Error::new(ErrorKind::Io, "reading failed").with_source("the cause");
        assert_eq!(error.to_string(), "reading failed");
        assert_eq!(error.source().unwrap().to_string(), "the cause");
    }

    #[test]
    fn long_and_odd_text_stays_one_bounded_line() {
        let text = format!("a\u{1b}[31m{}", "x".repeat(10_000));
        let shown = Error::new(ErrorKind::Other, text).to_string();
        assert!(shown.chars().count() <= SHOWN + 1 && !shown.contains('\u{1b}'));
        let gaps = "\u{1} \u{202e}\u{200b} ".repeat(10_000) + "a\u{2028}b \u{feff}";
        assert_eq!(OneLine(&gaps).to_string(), "a b");
    }

    #[test]
    fn an_ambiguous_attempt_makes_the_call_ambiguous() {
        let call = CallSummary { ambiguous: true, ..summary(2) };
        assert!(Error::new(ErrorKind::Connect, "refused").with_call(call).is_ambiguous());
        assert!(!Error::new(ErrorKind::Timeout, "slow").with_call(summary(1)).is_ambiguous());
    }
}
