//! What can go wrong, as a value.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use http::StatusCode;

use super::corruption::Corruption;
use super::latency::Latency;

/// What goes wrong.
///
/// A fault that spoils a body changes nothing about an answer without one (204, the answer to a HEAD).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An error answer; the request has no effect.
    #[non_exhaustive]
    Status {
        /// The status.
        status: StatusCode,
        /// `error_code` of the body; by default one that goes with the status.
        error_code: Option<String>,
        /// `message` of the body.
        message: String,
        /// How long `Retry-After` asks to wait, rounded up to whole seconds; `None` sends no such header.
        retry_after: Option<Duration>,
        /// How `Retry-After` is written.
        retry_after_form: RetryAfterForm,
        /// The shape of the body.
        body: ErrorBody,
    },
    /// The connection breaks and the request has no effect.
    ResetBefore,
    /// The request has its effect, then the connection breaks before any answer.
    ResetAfter,
    /// Silence.
    #[non_exhaustive]
    Stall {
        /// Where in the exchange it begins.
        at: StallPoint,
        /// How long it lasts; then all goes on as if nothing had happened. `None`: until the caller gives up.
        lasting: Option<Duration>,
    },
    /// The request is held up, then served.
    #[non_exhaustive]
    Latency {
        /// How long. Each firing draws its own from a distribution; the record names what was drawn.
        latency: Latency,
        /// What the draws follow from.
        seed: u64,
    },
    /// The request has its effect and the whole `Content-Length` is announced (where it is known), but the connection
    /// breaks after so many bytes of the body. A body that is no longer than that loses its last byte.
    /// Over sockets, a caller that reads slowly may get fewer.
    #[non_exhaustive]
    Truncated {
        /// Bytes that arrive.
        after: u64,
    },
    /// The request has its effect and the body of its answer is spoiled; the HTTP around it is in order.
    Corrupt(Corruption),
    /// An object store's refusal of a presigned link that is too old; the request has no effect.
    ExpiredLink(Cloud),
    /// The refusal of a token that is too old; the request has no effect.
    ExpiredToken(TokenKind),
    /// A read is answered as it would have been before the last write that concerns it: see [`Fault::stale`].
    Stale(Staleness),
}

/// How `Retry-After` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfterForm {
    /// A number of seconds.
    #[default]
    Seconds,
    /// An HTTP date; the answer has a `Date` too.
    HttpDate,
}

/// The shape of an error answer's body: all of these come from real workspaces and the proxies before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorBody {
    /// `{"error_code": .., "message": ..}`.
    #[default]
    Json,
    /// `{"error": ..}`, as API 1.2 has it.
    Legacy,
    /// `{"detail": .., "status": ..}`, as SCIM has it.
    Scim,
    /// A web page with the message in `<title>` and `<pre>`.
    Html,
    /// `CODE: message`.
    Plain,
    /// Nothing.
    Empty,
}

/// Where a stall begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StallPoint {
    /// Before the request has its effect.
    BeforeEffect,
    /// After the effect, before the head of the answer.
    BeforeAnswer,
    /// In the answer's body, after so many bytes of it.
    InBody(u64),
}

/// Whose object store refuses a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cloud {
    /// S3: 403 `AccessDenied`, "Request has expired".
    #[default]
    Aws,
    /// Azure Blob Storage: 403 `AuthenticationFailed`, with the time frame that has passed.
    Azure,
    /// Google Cloud Storage: 400 `ExpiredToken`.
    Gcp,
}

/// Which token is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenKind {
    /// A personal access token: 403 "Invalid access token.", as for one that never was.
    #[default]
    Personal,
    /// An OAuth access token: 401 "Token is expired".
    OAuth,
}

/// How long reads lag behind a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Staleness {
    /// For so many reads of the same thing after each write.
    Reads(u64),
    /// For so long after each write.
    Lasting(Duration),
}

impl Fault {
    /// An error answer with this status.
    pub fn status(status: StatusCode) -> Self {
        Self::Status {
            status,
            error_code: None,
            message: "Injected fault.".to_owned(),
            retry_after: None,
            retry_after_form: RetryAfterForm::Seconds,
            body: ErrorBody::Json,
        }
    }

    /// Adds a `Retry-After` to an error answer; changes nothing else.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        self.with_retry_after_as(after, RetryAfterForm::Seconds)
    }

    /// Adds a `Retry-After` of either form to an error answer; changes nothing else.
    #[must_use]
    pub fn with_retry_after_as(mut self, after: Duration, form: RetryAfterForm) -> Self {
        if let Self::Status { retry_after, retry_after_form, .. } = &mut self {
            *retry_after = Some(after);
            *retry_after_form = form;
        }
        self
    }

    /// Sets code and message of an error answer; changes nothing else.
    #[must_use]
    pub fn with_error(mut self, code: impl Into<String>, text: impl Into<String>) -> Self {
        if let Self::Status { error_code, message, .. } = &mut self {
            *error_code = Some(code.into());
            *message = text.into();
        }
        self
    }

    /// Sets the shape of an error answer's body; changes nothing else.
    #[must_use]
    pub fn with_body(mut self, shape: ErrorBody) -> Self {
        if let Self::Status { body, .. } = &mut self {
            *body = shape;
        }
        self
    }

    /// Silence from this point on, until the caller gives up.
    pub fn stall(at: StallPoint) -> Self {
        Self::Stall { at, lasting: None }
    }

    /// Ends a stall after this time; changes nothing else.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        if let Self::Stall { lasting, .. } = &mut self {
            *lasting = Some(time);
        }
        self
    }

    /// A request that is held up; with seed 0.
    pub fn latency(latency: Latency) -> Self {
        Self::Latency { latency, seed: 0 }
    }

    /// Sets the seed of a latency or of flipped bytes; changes nothing else.
    #[must_use]
    pub fn seeded(mut self, number: u64) -> Self {
        if let Self::Latency { seed, .. } | Self::Corrupt(Corruption::Flipped { seed, .. }) = &mut self {
            *seed = number;
        }
        self
    }

    /// A connection that breaks after so many bytes of the answer's body.
    pub fn truncated(after: u64) -> Self {
        Self::Truncated { after }
    }

    /// An answer with so many wrong bytes; with seed 0.
    pub fn flipped_bytes(bytes: usize) -> Self {
        Self::Corrupt(Corruption::Flipped { bytes, seed: 0 })
    }

    /// An answer that ends after so many bytes as if that were all.
    pub fn cut_body(after: usize) -> Self {
        Self::Corrupt(Corruption::Cut { after })
    }

    /// An answer with every bit of these bytes turned: the head of a file, say.
    pub fn overwritten(bytes: Range<usize>) -> Self {
        Self::Corrupt(Corruption::overwritten(bytes))
    }

    /// Overwrites what an LZ4 body holds instead of the body; changes nothing else.
    #[must_use]
    pub fn inside_lz4(mut self) -> Self {
        if let Self::Corrupt(Corruption::Overwritten { inside, .. }) = &mut self {
            *inside = true;
        }
        self
    }

    /// A JSON answer in which each `row_count`, of a chunk or a link, is wrong by so much.
    pub fn miscounted_rows(by: i64) -> Self {
        Self::Corrupt(Corruption::Miscounted { by })
    }

    /// The refusal of a presigned link that is too old.
    pub fn expired_link(cloud: Cloud) -> Self {
        Self::ExpiredLink(cloud)
    }

    /// The refusal of a token that is too old.
    pub fn expired_token(kind: TokenKind) -> Self {
        Self::ExpiredToken(kind)
    }

    /// Eventual consistency: a read (GET or HEAD) is answered as it would have been before the last successful write
    /// that concerns it: to the same path, to a collection or a part of it, or by the verb beside it (`jobs/update` and
    /// `jobs/get`).
    ///
    /// That answer is the one which the same caller got for the same read before the write; for what the write has just
    /// created, it is the service's refusal of what does not exist (404; jobs and runs 400). Where neither is known the read is served as it is, and nothing is on record. A rule with
    /// this fault fires at every read that it can make stale, unless told otherwise by [`times`](super::FaultRule::times).
    ///
    /// ```
    /// use databricks_testkit::{Fault, FaultRule, Faults, Staleness};
    /// use http::Method;
    ///
    /// // A statement that was just submitted is not found, twice.
    /// let lag = Fault::stale(Staleness::Reads(2));
    /// let faults = Faults::new().with(FaultRule::on(Method::GET, "/api/2.0/sql/statements/", lag));
    /// # let _ = faults;
    /// ```
    pub fn stale(staleness: Staleness) -> Self {
        Self::Stale(staleness)
    }
}

/// A few words, for a column of a table.
impl Fault {
    /// Whether it needs an answer of a kind: one with a body to spoil, or one that was given before.
    pub(crate) fn depends_on_answer(&self) -> bool {
        match self {
            Self::Stale(_) | Self::Truncated { .. } => true,
            Self::Stall { at, .. } => matches!(at, StallPoint::InBody(_)),
            Self::Corrupt(corruption) => corruption.depends_on_body(),
            _ => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, error_code, retry_after, .. } => {
                write!(f, "{}", status.as_u16())?;
                if let Some(code) = error_code {
                    write!(f, " {code}")?;
                }
                match retry_after {
                    Some(after) => write!(f, " after {after:?}"),
                    None => Ok(()),
                }
            }
            Self::ResetBefore => f.write_str("reset before effect"),
            Self::ResetAfter => f.write_str("reset after effect"),
            Self::Stall { at, lasting } => stall(f, *at, *lasting),
            Self::Latency { latency, .. } => write!(f, "latency {latency}"),
            Self::Truncated { after } => write!(f, "truncated at {after}"),
            Self::Corrupt(corruption) => corruption.fmt(f),
            Self::ExpiredLink(cloud) => write!(f, "expired link ({cloud:?})"),
            Self::ExpiredToken(kind) => write!(f, "expired token ({kind:?})"),
            Self::Stale(Staleness::Reads(reads)) => write!(f, "stale for {reads} reads"),
            Self::Stale(Staleness::Lasting(time)) => write!(f, "stale for {time:?}"),
        }
    }
}

fn stall(f: &mut fmt::Formatter<'_>, at: StallPoint, lasting: Option<Duration>) -> fmt::Result {
    match at {
        StallPoint::BeforeEffect => f.write_str("stall before effect")?,
        StallPoint::BeforeAnswer => f.write_str("stall after effect")?,
        StallPoint::InBody(after) => write!(f, "stall at byte {after}")?,
    }
    lasting.map_or(Ok(()), |time| write!(f, " for {time:?}"))
}
