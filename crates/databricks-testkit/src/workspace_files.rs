//! Files of the workspace: the notebooks and SQL files that jobs run. (Volumes are the Files API's.)

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use databricks_transport::Body;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::api_error::{Answer, ApiFailure, json_response};
use crate::files::drain;
use crate::route::{Call, not_simulated};
use crate::statements::read_json;

/// The largest file, as documented.
const LARGEST: usize = 10 * 1024 * 1024;
/// Files and folders that a workspace may have.
const MOST: usize = 10_000;
/// Bytes of all files together.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// Notebooks and files by path. Clones share them.
#[derive(Clone)]
pub(crate) struct WorkspaceFiles(Arc<Mutex<Tree>>);

struct Tree {
    files: BTreeMap<String, SourceFile>,
    folders: BTreeSet<String>,
    bytes: usize,
}

/// A notebook, or a plain file.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    content: Vec<u8>,
    /// The language of a notebook.
    language: Option<String>,
}

#[derive(Deserialize)]
struct Import {
    path: String,
    #[serde(default)]
    content: String,
    format: Option<String>,
    language: Option<String>,
    #[serde(default)]
    overwrite: bool,
}

#[derive(Deserialize)]
struct Named {
    path: String,
}

impl Default for WorkspaceFiles {
    fn default() -> Self {
        let folders = ["", "/Shared", "/Users"].map(str::to_owned).into();
        Self(Arc::new(Mutex::new(Tree { files: BTreeMap::new(), folders, bytes: 0 })))
    }
}

impl fmt::Debug for WorkspaceFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkspaceFiles").field("files", &self.lock().files.len()).finish()
    }
}

impl WorkspaceFiles {
    fn lock(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of a file or notebook.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let path = normal(path).ok()?;
        let content = self.lock().files.get(&path)?.content.clone();
        String::from_utf8(content).ok()
    }
}

impl Tree {
    fn import(&mut self, path: String, file: SourceFile, overwrite: bool) -> Result<(), ApiFailure> {
        let parent = path.rsplit_once('/').map(|(parent, _)| parent).unwrap_or_default();
        if !self.folders.contains(parent) {
            return Err(missing(&format!("The parent folder ({parent}) does not exist.")));
        }
        if self.folders.contains(&path) || (self.files.contains_key(&path) && !overwrite) {
            let message = format!("Path ({path}) already exists.");
            return Err(ApiFailure::new(StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS", message));
        }
        let before = self.files.get(&path).map_or(0, |file| file.content.len());
        let bytes = self.bytes - before + file.content.len();
        if bytes > MOST_BYTES || (before == 0 && self.files.len() + self.folders.len() >= MOST) {
            let message = "The simulated workspace holds as many files as it takes.";
            return Err(ApiFailure::new(StatusCode::TOO_MANY_REQUESTS, "QUOTA_EXCEEDED", message));
        }
        self.bytes = bytes;
        self.files.insert(path, file);
        Ok(())
    }

    /// Makes a folder and those above it.
    fn make_folders(&mut self, path: &str) -> Result<(), ApiFailure> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for folder in ends.filter_map(|end| path.get(..end)) {
            if self.files.contains_key(folder) {
                let message = format!("Path ({folder}) is no folder.");
                return Err(ApiFailure::new(StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS", message));
            }
            if !self.folders.contains(folder) && self.files.len() + self.folders.len() < MOST {
                self.folders.insert(folder.to_owned());
            }
        }
        Ok(())
    }
}

/// Answers a call below `/api/2.0/workspace/`.
pub(crate) async fn handle(call: &Call<'_>, method: &str, operation: &str, body: Body) -> Answer {
    let files = &call.shared.workspace_files;
    match (method, operation) {
        ("POST", "import") => import(files, read_json(body).await?),
        ("POST", "mkdirs") => {
            let Named { path } = read_json(body).await?;
            files.lock().make_folders(&normal(&path)?)?;
            json_response(&json!({}))
        }
        ("GET", "export") => {
            let (path, file) = named(call, files)?;
            let name = path.rsplit('/').next().unwrap_or_default();
            json_response(
                &json!({ "content": STANDARD.encode(&file.content), "file_type": kind(&file), "path": name }),
            )
        }
        ("GET", "get-status") => {
            let (path, file) = named(call, files)?;
            json_response(&json!({ "path": path, "object_type": kind(&file), "language": file.language }))
        }
        (method, operation) => {
            drain(body).await;
            Err(not_simulated(method, &format!("/api/2.0/workspace/{operation}")))
        }
    }
}

fn named(call: &Call<'_>, files: &WorkspaceFiles) -> Result<(String, SourceFile), ApiFailure> {
    let path = normal(call.query.required("path")?)?;
    let file = files.lock().files.get(&path).cloned();
    let file = file.ok_or_else(|| missing(&format!("Path ({path}) doesn't exist.")))?;
    Ok((path, file))
}

fn kind(file: &SourceFile) -> &'static str {
    if file.language.is_some() { "NOTEBOOK" } else { "FILE" }
}

fn missing(message: &str) -> ApiFailure {
    ApiFailure::new(StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", message)
}

fn import(files: &WorkspaceFiles, import: Import) -> Answer {
    let Import { path, content, format, language, overwrite } = import;
    let content = STANDARD
        .decode(content)
        .map_err(|error| ApiFailure::invalid(format!("The content of '{path}' is not base64: {error}.")))?;
    if content.len() > LARGEST {
        let message = format!("The content of '{path}' has {} bytes; 10 MB are taken.", content.len());
        return Err(ApiFailure::new(StatusCode::BAD_REQUEST, "MAX_NOTEBOOK_SIZE_EXCEEDED", message));
    }
    let language = match (format.as_deref().unwrap_or("SOURCE"), language.as_deref()) {
        ("SOURCE", Some("PYTHON" | "SQL" | "SCALA" | "R")) => language,
        ("SOURCE", None) => {
            return Err(ApiFailure::invalid("A file imported as SOURCE needs its language."));
        }
        ("SOURCE", Some(other)) => {
            return Err(ApiFailure::invalid(format!("'{other}' is no language of a notebook.")));
        }
        ("RAW", None) => None,
        ("AUTO", None) => notebook_language(&path, &content).map(str::to_owned),
        (format, _) => {
            let message = format!("The import format {format} is not simulated with these fields.");
            return Err(ApiFailure::invalid(message));
        }
    };
    files.lock().import(normal(&path)?, SourceFile { content, language }, overwrite)?;
    json_response(&json!({}))
}

/// The language of a notebook in source form, by extension and first line.
fn notebook_language(path: &str, content: &[u8]) -> Option<&'static str> {
    let headed = |mark: &str| content.starts_with(format!("{mark} Databricks notebook source").as_bytes());
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("py") if headed("#") => Some("PYTHON"),
        Some("sql") if headed("--") => Some("SQL"),
        Some("scala") if headed("//") => Some("SCALA"),
        Some("r" | "R") if headed("#") => Some("R"),
        _ => None,
    }
}

/// A path without the prefix `/Workspace`, which names the same place, and without a slash at its end.
fn normal(path: &str) -> Result<String, ApiFailure> {
    let inner = path.strip_prefix("/Workspace").filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let inner = inner.unwrap_or(path).trim_end_matches('/');
    let sound = |segment: &str| !segment.is_empty() && segment != "." && segment != "..";
    if path.len() > 4096 || !path.starts_with('/') || !inner.split('/').skip(1).all(sound) {
        return Err(ApiFailure::invalid(format!("Path ({path}) is no absolute path of the workspace.")));
    }
    Ok(inner.to_owned())
}
