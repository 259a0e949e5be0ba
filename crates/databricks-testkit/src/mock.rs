//! A client for tests: it records a workspace, replays a recording, or talks to a simulated one.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use databricks_transport::{
    ApiRequest, Client, ClientBuilder, DatabricksConfig, Error, ErrorKind, Operation, RateLimits, RetryConfig,
};
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cassette::{
    Cassette, CassetteError, CassetteOptions, CassettePlayer, FinishReport, Interaction, RecordedRequest,
};
use crate::scripted::ScriptedEngine;
use crate::workspace::SimulatedWorkspace;

/// The host that a replay's client is built for. Recorded hosts were replaced by it.
const REPLAYED_HOST: &str = "https://workspace.invalid";
/// The seed of a simulated workspace, so that its ids are the same in every run.
const SEED: u64 = 1;

const READ: Operation = Operation::new("mock.request").idempotent();
const WRITE: Operation = Operation::new("mock.request");

/// A client whose other end is a recorder, a recording, or a simulated workspace. What it was asked can be read
/// afterwards.
///
/// ```
/// use databricks_testkit::{Column, MockDatabricksClient};
/// use http::Method;
/// use serde_json::{Value, json};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mock = MockDatabricksClient::simulating()?;
/// mock.engine().ok_or("simulated")?.on("SELECT 1").rows([Column::new("1", "INT")], [[json!(1)]]);
///
/// // `mock.client()` is what the crates of this family take; `request` is for a test that wants no more than JSON.
/// let body = json!({ "statement": "SELECT 1", "warehouse_id": "5134e1a7ed000001" });
/// let answer: Value = mock.request(Method::POST, "/api/2.0/sql/statements", Some(body)).await?;
/// assert_eq!(answer["result"]["data_array"], json!([["1"]]));
/// assert_eq!(mock.get_recorded_requests()[0].path, "/api/2.0/sql/statements");
///
/// // What was simulated is recorded too, and replays without the simulator.
/// let replay = MockDatabricksClient::replaying(&mock.cassette()?)?;
/// let body = json!({ "statement": "SELECT 1", "warehouse_id": "5134e1a7ed000001" });
/// let again: Value = replay.request(Method::POST, "/api/2.0/sql/statements", Some(body)).await?;
/// assert_eq!(again, answer);
/// replay.finish()?;
/// # mock.finish()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MockDatabricksClient {
    client: Client,
    player: CassettePlayer,
    simulated: Option<Simulated>,
}

#[derive(Clone)]
struct Simulated {
    workspace: SimulatedWorkspace,
    engine: Option<ScriptedEngine>,
}

impl MockDatabricksClient {
    /// Records what a client does on its own leaf: the network, or whatever the builder was given.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn recording(builder: ClientBuilder) -> Result<Self, Error> {
        let player = CassettePlayer::recording(CassetteOptions::new()).map_err(unusable)?;
        Self::with_player(builder, player)
    }

    /// Replays a cassette, at once: no rate limit, no wait between attempts, no network. The client's configuration names
    /// the warehouse of the recording.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn replaying(cassette: &Cassette) -> Result<Self, Error> {
        Self::replaying_with(cassette, CassetteOptions::new())
    }

    /// Replays a cassette with variables, ignored places or other options.
    ///
    /// # Errors
    /// When the client cannot be built or the options cannot work.
    pub fn replaying_with(cassette: &Cassette, options: CassetteOptions) -> Result<Self, Error> {
        Self::offline(CassettePlayer::replaying(cassette, options).map_err(unusable)?, cassette)
    }

    /// Plays a file as the options' mode says: replays it like [`replaying`](Self::replaying), or sends what it does not
    /// hold to the workspace of the environment ([`DatabricksConfig::from_env`]). Then [`finish`](Self::finish) saves it.
    ///
    /// ```no_run
    /// use databricks_testkit::{CassetteOptions, MockDatabricksClient};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // `DATABRICKS_CASSETTE_MODE` says whether to record.
    /// let mock = MockDatabricksClient::open("tests/cassettes/stations.json", CassetteOptions::new())?;
    /// // what the test asks by `mock.client()`
    /// mock.finish()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`CassettePlayer::open`]; where requests may be sent, also when the environment does not configure a client.
    pub fn open(path: impl AsRef<Path>, options: CassetteOptions) -> Result<Self, Error> {
        let player = CassettePlayer::open(path, options).map_err(unusable)?;
        if player.is_replaying() && !player.is_recording() {
            let cassette = player.cassette().map_err(unusable)?;
            return Self::offline(player, &cassette);
        }
        Self::with_player(Client::builder(DatabricksConfig::from_env()?), player)
    }

    /// A client that has nothing but the player's cassette.
    fn offline(player: CassettePlayer, cassette: &Cassette) -> Result<Self, Error> {
        let mut config = at_once(REPLAYED_HOST, "replayed")?;
        if let Some(warehouse) = warehouse_of(cassette) {
            config = config.with_warehouse(warehouse);
        }
        let client = Client::builder(config).leaf(player.leaf()).build()?;
        Ok(Self { client, player, simulated: None })
    }

    /// Talks to a simulated workspace of its own, whose statements are answered by a [`ScriptedEngine`]
    /// ([`engine`](Self::engine)).
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn simulating() -> Result<Self, Error> {
        let engine = ScriptedEngine::new();
        let workspace = SimulatedWorkspace::builder().engine(Arc::new(engine.clone())).seed(SEED).build();
        let mut mock = Self::simulating_on(workspace)?;
        mock.simulated = mock.simulated.map(|simulated| Simulated { engine: Some(engine), ..simulated });
        Ok(mock)
    }

    /// Talks to a simulated workspace that takes [`SimulatedWorkspace::DEFAULT_TOKEN`], with the first of its warehouses
    /// as the client's default. For one with other tokens, build the client and use [`with_player`](Self::with_player).
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn simulating_on(workspace: SimulatedWorkspace) -> Result<Self, Error> {
        let mut config = at_once(SimulatedWorkspace::HOST, SimulatedWorkspace::DEFAULT_TOKEN)?;
        if let Some(warehouse) = workspace.shared.warehouses.ids().into_iter().next() {
            config = config.with_warehouse(warehouse);
        }
        let mut mock = Self::recording(Client::builder(config).leaf(workspace.service()))?;
        mock.simulated = Some(Simulated { workspace, engine: None });
        Ok(mock)
    }

    /// A client with a player of one's own around its leaf: one for a file and a mode, say.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn with_player(builder: ClientBuilder, player: CassettePlayer) -> Result<Self, Error> {
        Ok(Self { client: builder.leaf_layer(player.layer()).build()?, player, simulated: None })
    }

    /// The client: what the crates of this family are built on.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The player between the client and its other end.
    pub fn player(&self) -> &CassettePlayer {
        &self.player
    }

    /// The simulated workspace, when there is one.
    pub fn workspace(&self) -> Option<&SimulatedWorkspace> {
        self.simulated.as_ref().map(|simulated| &simulated.workspace)
    }

    /// What answers statements, when this mock simulates on a workspace of its own.
    pub fn engine(&self) -> Option<&ScriptedEngine> {
        self.simulated.as_ref()?.engine.as_ref()
    }

    /// What was recorded so far.
    ///
    /// # Errors
    /// When an id in it cannot be given a name.
    pub fn cassette(&self) -> Result<Cassette, CassetteError> {
        self.player.cassette()
    }

    /// The requests so far, retries among them, without what is secret in them.
    pub fn get_recorded_requests(&self) -> Vec<RecordedRequest> {
        self.player.requests()
    }

    /// Sends a request and reads the answer as JSON. `path` may have a query. Reads are retried as idempotent calls.
    ///
    /// # Errors
    /// What the client answers with; the cassette's difference when a replay does not know the request.
    pub async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, Error> {
        let operation = if method.is_safe() { READ } else { WRITE };
        let request = ApiRequest::new(method, path);
        let request = match body {
            Some(body) => request.json(&body)?,
            None => request,
        };
        self.client.call(operation, request).await
    }

    /// What happened so far as a text for snapshots; see [`CassettePlayer::transcript`].
    pub fn transcript(&self) -> String {
        self.player.transcript()
    }

    /// Ends the run; see [`CassettePlayer::finish`].
    ///
    /// # Errors
    /// When requests and recording did not fit, or the recording cannot be saved.
    pub fn finish(&self) -> Result<FinishReport, CassetteError> {
        self.player.finish()
    }
}

impl fmt::Debug for MockDatabricksClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client: _, player, simulated } = self;
        f.debug_struct("MockDatabricksClient")
            .field("player", player)
            .field("workspace", &simulated.as_ref().map(|simulated| &simulated.workspace))
            .finish_non_exhaustive()
    }
}

/// A configuration that waits for nothing.
fn at_once(host: &str, token: &str) -> Result<DatabricksConfig, Error> {
    let retry = RetryConfig::default().with_delays(Duration::ZERO, Duration::ZERO);
    let config = DatabricksConfig::new(host)?.with_token(token.to_owned());
    Ok(config.with_rate_limits(RateLimits::unlimited()).with_retry(retry))
}

/// The warehouse of the first recorded statement.
fn warehouse_of(cassette: &Cassette) -> Option<String> {
    let named = |interaction: &Interaction| {
        let body = interaction.request.body.as_json()?;
        body.get("warehouse_id")?.as_str().map(str::to_owned)
    };
    let written = cassette.interactions().iter().find_map(named)?;
    let variable = written.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    let value = variable.and_then(|name| cassette.variables().get(name)).and_then(Value::as_str);
    Some(value.map_or(written.clone(), str::to_owned))
}

fn unusable(error: CassetteError) -> Error {
    Error::new(ErrorKind::Config, error.to_string()).with_source(error)
}
