//! A simulated Databricks workspace, for tests that need no account and no network.
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
//! What is here, and what is not: statements and sessions, the Files API, the read side of Unity Catalog and its
//! volumes, warehouses, the current user. An endpoint that is not simulated answers 501 and names itself; nothing
//! is answered by guess.
//!
//! Features: `arrow` (default) lets [`ScriptedEngine`] deliver typed rows as ARROW_STREAM.

mod api_error;
mod auth;
mod cassette;
mod clock;
mod engine;
mod faults;
mod files;
mod ids;
mod mock;
mod request_log;
mod route;
mod scripted;
mod server;
mod service;
mod statements;
mod stores;
mod unity;
mod workspace;
mod workspace_info;

pub use cassette::{
    Cassette, CassetteBody, CassetteError, CassetteErrorKind, CassetteFailure, CassetteRequest,
    CassetteResponse, Interaction, Outcome, Sanitizer, Sanitizers, SecretScan, Variables,
};
pub use cassette::{
    CassetteLayer, CassetteLeaf, CassetteMode, CassetteOptions, CassettePlayer, CassetteService, Difference,
    Drift, FinishReport, RecordedRequest, VerifyOptions,
};
pub use engine::{
    Column, EngineRequest, EngineResult, Parameter, ResultChunk, StatementEngine, StatementFailure,
};
pub use faults::{Fault, FaultLayer, FaultRule, FaultService, Faults};
pub use mock::MockDatabricksClient;
pub use request_log::{Origin, RequestRecord};
pub use scripted::{ScriptedEngine, ScriptedStatement};
pub use server::Server;
pub use service::WorkspaceService;
pub use stores::{
    ByteStream, CatalogError, CatalogStore, DirectoryEntry, DirectoryPage, FileContent, FileMetadata,
    InvalidPath, MemoryCatalogStore, MemoryVolumeStore, NewVolume, PageRequest, VolumeError, VolumePath,
    VolumeStore,
};
pub use workspace::{SimulatedWorkspace, SimulatedWorkspaceBuilder};
