//! Putting source files, such as notebooks, into the workspace.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use databricks_transport::{ApiRequest, Client, Operation};
use serde::Serialize;
use serde_json::json;

use crate::Result;
use crate::wire::words;

const IMPORT: Operation = Operation::new("workspace.import");
// With `overwrite`, sending it twice leaves what sending it once leaves.
const REPLACE: Operation = Operation::new("workspace.import").idempotent();
const MAKE_FOLDERS: Operation = Operation::new("workspace.mkdirs").idempotent();

words! {
    /// The language of a notebook.
    Language {
        /// Python.
        Python = "PYTHON",
        /// SQL.
        Sql = "SQL",
        /// Scala.
        Scala = "SCALA",
        /// R.
        R = "R",
    }
}

/// A source file about to be put into the workspace; [`JobsClient::upload_source`](crate::JobsClient::upload_source) makes
/// one.
#[derive(Clone, Debug)]
#[must_use = "nothing is uploaded before `send`"]
pub struct UploadSource {
    client: Client,
    path: String,
    format: &'static str,
    language: Option<Language>,
    source: String,
    overwrite: bool,
}

impl UploadSource {
    pub(super) fn new(client: Client, path: String, language: Language, source: String) -> Self {
        Self { client, path, format: "SOURCE", language: Some(language), source, overwrite: false }
    }

    /// Makes it a plain file, not a notebook: a Python file, or the file of a SQL task.
    pub fn plain_file(mut self) -> Self {
        (self.format, self.language) = ("RAW", None);
        self
    }

    /// Replaces what is at the path. Without it, something there is an error of kind `AlreadyExists`.
    pub fn overwrite(mut self) -> Self {
        self.overwrite = true;
        self
    }

    /// Uploads it; the folders above it are made.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport). The service takes up to 10 MB.
    pub async fn send(self) -> Result<()> {
        #[derive(Serialize)]
        struct Body<'a> {
            path: &'a str,
            format: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            language: Option<Language>,
            overwrite: bool,
            content: String,
        }
        if let Some((folder, _)) = self.path.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()) {
            let request = ApiRequest::post("/api/2.0/workspace/mkdirs").json(&json!({ "path": folder }))?;
            let () = self.client.call(MAKE_FOLDERS, request).await?;
        }
        let body = Body {
            path: &self.path,
            format: self.format,
            language: self.language,
            overwrite: self.overwrite,
            content: STANDARD.encode(&self.source),
        };
        let operation = if self.overwrite { REPLACE } else { IMPORT };
        Ok(self.client.call(operation, ApiRequest::post("/api/2.0/workspace/import").json(&body)?).await?)
    }
}
