//! Cassettes: what a workspace was asked and how it answered, kept as a file and played back.
//!
//! [`cassette`] is the value, [`interaction`] and [`body`] what it consists of, [`variables`] the values that differ
//! from run to run, [`file`] its form on disk, [`sanitize`] what is removed from it and what may not be left in it,
//! [`recordings`] the way in for exchanges that others recorded.

mod body;
#[allow(clippy::module_inception)]
mod cassette;
mod error;
mod file;
mod interaction;
mod player;
mod recordings;
mod sanitize;
mod template_check;
mod texts;
mod transcript;
mod variables;
mod verify;

pub use body::CassetteBody;
pub use cassette::Cassette;
pub use error::{CassetteError, CassetteErrorKind};
pub use interaction::{CassetteFailure, CassetteRequest, CassetteResponse, Interaction, Outcome};
pub use player::{
    CassetteLayer, CassetteLeaf, CassetteMode, CassetteOptions, CassettePlayer, CassetteService,
    FinishReport, RecordedRequest,
};
pub use sanitize::{Sanitizer, Sanitizers, SecretScan};
pub use variables::Variables;
pub use verify::{Difference, Drift, VerifyOptions};
