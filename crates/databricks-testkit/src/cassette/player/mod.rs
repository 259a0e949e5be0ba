//! Recording and replaying: a player between a client and its leaf.
//!
//! `mode` and `options` say how, `service` is the layer and the leaf, `state` what they share. `journal` orders what
//! was recorded; `replay` gives it back, by way of `identity` and `matching` (what makes two requests the same) and
//! `index` (finding it). `nearest` and `difference` explain a request that nothing answers, `finish` ends a run.

pub(crate) mod difference;
mod finish;
pub(crate) mod identity;
mod index;
pub(crate) mod journal;
mod matching;
mod mode;
mod nearest;
mod options;
mod replay;
mod service;
mod state;
pub(crate) mod texts_mut;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use finish::FinishReport;
pub use mode::CassetteMode;
pub use options::CassetteOptions;
pub use service::{CassetteLayer, CassetteLeaf, CassetteService};
pub use state::RecordedRequest;

use replay::Replay;
use state::Shared;

use super::cassette::Cassette;
use super::error::CassetteError;
use super::file::Seen;
use super::transcript;

/// Records what a client sends and how it was answered, or plays a recording back. Cheap to clone; clones share one
/// run.
///
/// Put it around the leaf of a client ([`layer`](Self::layer)), run the test, and [`finish`](Self::finish): that saves
/// what was recorded, and fails when something was asked that is not recorded, or recorded and not asked for.
///
/// ```
/// use databricks_testkit::{CassetteOptions, CassettePlayer, SimulatedWorkspace};
/// use databricks_transport::{ApiRequest, Client, DatabricksConfig, Operation};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// const LIST: Operation = Operation::new("warehouses.list").idempotent();
/// let config = DatabricksConfig::new(SimulatedWorkspace::HOST)?.with_token(SimulatedWorkspace::DEFAULT_TOKEN);
/// let list = || ApiRequest::get("/api/2.0/sql/warehouses");
///
/// let workspace = SimulatedWorkspace::builder().build();
/// let recorder = CassettePlayer::recording(CassetteOptions::new())?;
/// let client = Client::builder(config.clone()).leaf(workspace.service()).leaf_layer(recorder.layer()).build()?;
/// let live: serde_json::Value = client.call(LIST, list()).await?;
///
/// let player = CassettePlayer::replaying(&recorder.cassette()?, CassetteOptions::new())?;
/// let client = Client::builder(config).leaf(player.leaf()).build()?;
/// let replayed: serde_json::Value = client.call(LIST, list()).await?;
/// assert_eq!(live["warehouses"][0]["id"], replayed["warehouses"][0]["id"]);
/// assert_eq!(player.finish()?.replayed, 1);
/// # recorder.finish()?;
/// # Ok(()) }
/// ```
///
/// While it records, bodies are read whole before they are passed on, up to
/// [`with_body_limit`](CassetteOptions::with_body_limit), and answers are asked for uncompressed. A replay opens no
/// connection and waits for nothing. A request that is given up before its answer arrives is recorded as such: the
/// replay leaves it unanswered until it is given up again, and does not mind when it is not sent.
///
/// A replay gives what was recorded but for what the sanitizers removed from answers: names of users, hosts, tokens.
/// Text and binary bodies are the same byte for byte. JSON has the same values, its numbers as they were written; white
/// space between them and the order of members are not kept. Of headers, those that a client acts on are given, and
/// `Content-Length` is that of the body.
///
/// Of reads (`GET`, `HEAD`), the last recorded answer repeats without end, and a state of something under way
/// (`PENDING`, `RUNNING`, ..) is given once however often it was polled: the replay goes on as fast as it is asked.
/// Any other request is answered as often as it was recorded. One that nothing answers fails with
/// [`ErrorKind::Config`](databricks_transport::ErrorKind::Config): the error shows the nearest recorded request and the
/// difference, and no client tries again.
#[derive(Clone)]
pub struct CassettePlayer {
    shared: Arc<Shared>,
}

impl CassettePlayer {
    /// A player for a file, which the options' mode decides to record or to replay: that of the environment
    /// ([`CassetteMode::from_env`]), unless one is set.
    ///
    /// # Errors
    /// When the options cannot work, when the environment names a mode that there is not, or the file has to be read and cannot be: it is missing where nothing may be
    /// recorded, or is not a cassette.
    pub fn open(path: impl AsRef<Path>, mut options: CassetteOptions) -> Result<Self, CassetteError> {
        let path = path.as_ref();
        options.validate()?;
        let mode = options.mode_or(CassetteMode::from_env)?;
        options.mode = Some(mode);
        let loads = match mode {
            CassetteMode::None => true,
            CassetteMode::Once | CassetteMode::NewEpisodes => path.exists(),
            CassetteMode::All | CassetteMode::Passthrough => false,
        };
        // Before it is read: what is written in between is not lost either.
        let seen = match mode {
            CassetteMode::None | CassetteMode::Passthrough => None,
            _ => Some(Seen::at(path)?),
        };
        let replay = match loads {
            true => Some(Replay::new(&Cassette::load(path)?, &options)),
            false => None,
        };
        let records = match mode {
            CassetteMode::None | CassetteMode::Passthrough => false,
            CassetteMode::Once => replay.is_none(),
            CassetteMode::NewEpisodes | CassetteMode::All => true,
        };
        let shared = Shared::new(options, Some(path.to_owned()), replay, records);
        shared.lock().seen = seen;
        Ok(Self::with(shared))
    }

    /// A player that replays a cassette and records nothing, whatever the options' mode.
    ///
    /// # Errors
    /// When the options cannot work.
    pub fn replaying(cassette: &Cassette, options: CassetteOptions) -> Result<Self, CassetteError> {
        options.validate()?;
        let replay = Replay::new(cassette, &options);
        Ok(Self::with(Shared::new(options, None, Some(replay), false)))
    }

    /// A player that records everything, whatever the options' mode. Nothing is saved: ask for the
    /// [`cassette`](Self::cassette).
    ///
    /// # Errors
    /// When the options cannot work.
    pub fn recording(options: CassetteOptions) -> Result<Self, CassetteError> {
        options.validate()?;
        Ok(Self::with(Shared::new(options, None, None, true)))
    }

    fn with(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// The layer around a client's leaf: for `ClientBuilder::leaf_layer`. It records and replays.
    pub fn layer(&self) -> CassetteLayer {
        CassetteLayer::new(self.clone())
    }

    /// A leaf without a network: for `ClientBuilder::leaf`. It replays; what it would have to record is an error.
    pub fn leaf(&self) -> CassetteLeaf {
        CassetteLeaf::new(self.clone())
    }

    /// Whether requests are answered from a cassette, at least those that it knows.
    pub fn is_replaying(&self) -> bool {
        self.shared.replays
    }

    /// Whether outcomes are recorded, at least those of requests that are not known yet.
    pub fn is_recording(&self) -> bool {
        self.shared.records
    }

    /// The requests so far, without what is secret in them, oldest first; the last 10,000 are kept.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.requests()
    }

    /// The cassette so far: what is replayed from, and what was recorded behind it.
    ///
    /// # Errors
    /// When an id in it cannot be given a name.
    pub fn cassette(&self) -> Result<Cassette, CassetteError> {
        self.shared.cassette()
    }

    /// What happened so far as a text for a person: the same for a recording and for its replays.
    ///
    /// One block a request: method and path, the body with SQL as lines, and the answer. Ids read `{{name}}`,
    /// binary bodies as their length, polls as one.
    pub fn transcript(&self) -> String {
        match self.shared.story() {
            Ok(story) => transcript::render(&story),
            Err(error) => format!("there is no transcript: {error}\n"),
        }
    }

    /// Ends the run: saves what was recorded, where it was opened for a file. A run that recorded nothing leaves the file
    /// as it is.
    ///
    /// # Errors
    /// When a request had no recorded answer (the error names it, the nearest recorded one, and the difference), when
    /// recorded interactions were not asked for and everything is replayed, when a body was too large to be kept, when
    /// a secret is left in what should be saved, or when the file cannot be written or was by somebody else.
    pub fn finish(&self) -> Result<FinishReport, CassetteError> {
        self.shared.finish()
    }
}

impl fmt::Debug for CassettePlayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { options, path, replays, records, .. } = &*self.shared;
        f.debug_struct("CassettePlayer")
            .field("path", path)
            .field("replays", replays)
            .field("records", records)
            .field("options", options)
            .finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A recording without a file is nobody's loss: who wants it asks for it.
        let matters = self.replays || (self.records && self.path.is_some());
        let (finished, requests) = {
            let state = self.lock();
            (state.finished, state.journal.len())
        };
        if matters && !finished && requests > 0 {
            tracing::warn!(
                path = ?self.path,
                requests,
                "a cassette player was dropped without finish(): nothing is saved, and nothing was checked"
            );
        }
    }
}
