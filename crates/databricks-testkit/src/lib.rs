//! Tests of what you build on Databricks that run offline, in milliseconds, and still mean something: record once, replay
//! anywhere, simulate the rest, and break it on purpose.
//!
//! [`SimulatedWorkspace`] answers the REST calls of a workspace from memory, or from whatever stands behind its
//! seams: [`StatementEngine`] runs SQL, [`VolumeStore`] keeps files, [`CatalogStore`] keeps Unity Catalog's objects.
//! It is a tower service, so a client runs on it in process and unchanged, and it can listen on loopback ports for
//! clients in any language.
//!
//! ```
//! use std::sync::Arc;
//! use databricks_testkit::{Column, ScriptedEngine, SimulatedWorkspace};
//! use serde_json::json;
//!
//! let engine = ScriptedEngine::new();
//! engine.on("SELECT 1").rows([Column::new("1", "INT")], [[json!("1")]]);
//! let workspace = SimulatedWorkspace::builder().token("dapi-test").engine(Arc::new(engine.clone())).build();
//! let leaf = workspace.service(); // for databricks_transport::ClientBuilder::leaf
//! # let _ = leaf;
//! ```
//!
//! What is here, and what is not: statements and sessions, the Files API with uploads in parts and presigned URLs, Unity
//! Catalog with grants that deny, warehouses that start, jobs and their runs, tokens and OAuth, rate limits, the current
//! user. An endpoint that is not simulated answers 501 and names itself; nothing is answered by guess.
//!
//! [`Faults`] break a workspace, or any other leaf, on purpose; [`sweep`] tries an operation with a fault at each of its
//! requests; a [`JobsScript`] says what the tasks of jobs do; [`DatabricksTestFixture`] gives a test a schema of its own.
//!
//! [`CassettePlayer`] records what a client and a real workspace say to each other into a [`Cassette`], a file fit for
//! version control, and replays it; [`MockDatabricksClient`] is a client on such a recording or on a simulated workspace.
//!
//! Features: `arrow` (default) lets [`ScriptedEngine`] deliver typed rows as ARROW_STREAM, and brings `ResultServer`, which
//! serves one large result over sockets for benches and fault sweeps.

mod access;
mod api_error;
mod buckets;
mod cassette;
mod clock;
mod engine;
mod faults;
mod files;
mod fixture;
mod ids;
mod isolated;
mod jobs;
mod mock;
mod presign;
mod request_log;
#[cfg(feature = "arrow")]
mod result_server;
mod route;
mod scripted;
mod server;
mod service;
mod statements;
mod storage;
mod stores;
mod sweep;
mod unity;
mod warehouses;
mod workspace;
mod workspace_files;
mod workspace_info;

pub use cassette::{
    Cassette, CassetteBody, CassetteError, CassetteErrorKind, CassetteFailure, CassetteRequest,
    CassetteResponse, Interaction, Outcome, Sanitizer, Sanitizers, SecretScan, Variables,
};
pub use cassette::{
    CassetteLayer, CassetteLeaf, CassetteMode, CassetteOptions, CassettePlayer, CassetteService, Difference,
    Drift, FinishReport, RecordedRequest, VerifyOptions,
};
pub use mock::MockDatabricksClient;

pub use access::{Grants, PermissionDenied, Privilege, Securable, SecurableType};
pub use engine::{
    Column, EngineRequest, EngineResult, Parameter, ResultChunk, StatementEngine, StatementFailure,
};
pub use files::UploadProtocol;
pub use isolated::{IsolatedService, IsolatedWorkspaces};
pub use jobs::{JobsScript, TaskCall, TaskOutcome, TaskScript};
pub use request_log::{Origin, RequestRecord};
#[cfg(feature = "arrow")]
pub use result_server::{ResultServer, ResultServerBuilder, ResultServerStats, ResultShape};
pub use scripted::{InvalidPattern, ScriptTurns, ScriptedEngine, ScriptedStatement};
pub use server::Server;
pub use service::WorkspaceService;
pub use stores::{
    ByteStream, CatalogError, CatalogObject, CatalogStore, DirectoryEntry, DirectoryPage, FileContent,
    FileMetadata, InvalidPath, MemoryCatalogStore, MemoryVolumeStore, NewCatalog, NewSchema, NewVolume,
    ObjectUpdate, PageRequest, VolumeError, VolumePath, VolumeStore,
};
pub use warehouses::WarehouseSpec;
pub use workspace::{SimulatedWorkspace, SimulatedWorkspaceBuilder};

pub use faults::{
    Cloud, Corruption, ErrorBody, Fault, FaultLayer, FaultRecord, FaultRule, FaultService, Faults,
    InvalidRate, Latency, RetryAfterForm, Staleness, StallPoint, TokenKind,
};
pub use fixture::{DatabricksTestFixture, FixtureError, TeardownError, TestWorkspace};
pub use sweep::{Sweep, SweepCase, SweepEnd, SweepFailure, SweepOutcome, SweepReport, SweepRun, sweep};
