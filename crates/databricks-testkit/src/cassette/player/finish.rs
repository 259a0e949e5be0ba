//! The end of a run: the cassette is saved, and what did not fit is an error.

use std::path::PathBuf;

use super::nearest::{Unmatched, summary};
use super::replay::Replay;
use super::state::Shared;
use crate::cassette::cassette::Cassette;
use crate::cassette::error::{CassetteError, CassetteErrorKind};
use crate::cassette::file;
use crate::cassette::interaction::CassetteRequest;

/// How many requests an error names.
const NAMED: usize = 3;

/// What a player did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FinishReport {
    /// Requests that were answered from the cassette.
    pub replayed: usize,
    /// Requests whose outcomes were recorded.
    pub recorded: usize,
    /// Recorded interactions that nobody asked for. They are an error where everything is replayed, unless the
    /// options allow them.
    pub unused: usize,
    /// The file that was written, when one was.
    pub saved: Option<PathBuf>,
}

impl Shared {
    /// Saves what was recorded and says what did not fit.
    pub(crate) fn finish(&self) -> Result<FinishReport, CassetteError> {
        let (mut report, problem) = {
            let mut state = self.lock();
            state.finished = true;
            let replay = state.replay.as_ref();
            let report = FinishReport {
                replayed: replay.map_or(0, Replay::given),
                recorded: state.recorded,
                unused: replay.map_or(0, |replay| replay.unused().len()),
                saved: None,
            };
            let too_large = state.too_large.clone();
            let too_large = too_large.map(|message| CassetteError::new(CassetteErrorKind::TooLarge, message));
            let unmatched = || unmatched(&state.unmatched);
            let unused = || replay.filter(|_| !self.records && !self.options.unused_allowed).and_then(unused);
            (report, too_large.or_else(unmatched).or_else(unused))
        };
        if let Some(error) = problem {
            return Err(self.in_file(error));
        }
        if self.records && report.recorded > 0 {
            report.saved = self.save(&self.cassette()?)?;
        }
        Ok(report)
    }

    fn save(&self, cassette: &Cassette) -> Result<Option<PathBuf>, CassetteError> {
        let Some(path) = &self.path else { return Ok(None) };
        cassette.check_secrets().map_err(|error| error.in_file(path))?;
        let seen = self.lock().seen;
        let saved = match seen {
            Some(seen) => file::save_over(cassette, path, seen)?,
            None => return Ok(None),
        };
        self.lock().seen = Some(saved);
        Ok(Some(path.clone()))
    }

    fn in_file(&self, error: CassetteError) -> CassetteError {
        match &self.path {
            Some(path) => error.in_file(path),
            None => error,
        }
    }
}

fn unmatched(requests: &[Unmatched]) -> Option<CassetteError> {
    let first = requests.first()?;
    let mut message = first.to_string();
    for another in requests.iter().skip(1).take(NAMED) {
        message.push_str(&format!("\nnot recorded either: {}", another.asked()));
    }
    let more = requests.len().saturating_sub(NAMED + 1);
    if more > 0 {
        message.push_str(&format!("\nand {more} more"));
    }
    Some(CassetteError::new(CassetteErrorKind::Unmatched, message))
}

fn unused(replay: &Replay) -> Option<CassetteError> {
    let unused = replay.unused();
    if unused.is_empty() {
        return None;
    }
    let mut message = match unused.len() {
        1 => "1 recorded interaction was not asked for:".to_owned(),
        many => format!("{many} recorded interactions were not asked for:"),
    };
    let line = |(number, request): &(usize, &CassetteRequest)| {
        format!("\n  interaction {number}: {}", summary(request).replace('\n', " "))
    };
    message.extend(unused.iter().take(NAMED).map(line));
    if unused.len() > NAMED {
        message.push_str(&format!("\n  and {} more", unused.len() - NAMED));
    }
    message.push_str(
        "\nrecord anew with DATABRICKS_CASSETTE_MODE=all, or allow it with CassetteOptions::with_unused_allowed",
    );
    Some(CassetteError::new(CassetteErrorKind::Unused, message))
}
