//! The value: what was recorded, and the variables in it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::error::CassetteError;
use super::interaction::Interaction;
use super::sanitize::SecretScan;
use super::variables::Variables;
use super::variables::assign::assign;
use super::variables::bindings::Bindings;
use super::{file, recordings, template_check};

/// Recorded requests and their outcomes, as one file that a person can read and compare.
///
/// The texts of [`interactions`](Self::interactions) are templates: an id, or a value that was declared, reads
/// `{{name}}`, and [`variables`](Self::variables) says what it was when it was recorded. The text `{{` itself reads
/// `{{'{{'}}`.
///
/// `Debug` prints counts, not contents.
///
/// ```
/// use databricks_testkit::Cassette;
///
/// let cassette = Cassette::from_json(
///     r#"{
///       "format": "databricks-cassette/1",
///       "variables": {"statement_id_1": "01ef9de2-db21-16af-b4cb-9ccf302d746b"},
///       "interactions": [{
///         "request": {"method": "DELETE", "origin": "api", "path": "/api/2.0/sql/statements/{{statement_id_1}}"},
///         "response": {"status": 200, "headers": {"content-type": "application/json"}, "body": {"json": {}}}
///       }]
///     }"#,
/// )?;
/// assert_eq!(cassette.interactions().len(), 1);
/// # Ok::<(), databricks_testkit::CassetteError>(())
/// ```
#[derive(Clone, Default)]
pub struct Cassette {
    interactions: Vec<Interaction>,
    variables: Variables,
    /// What must not be in it when it is saved: the secrets of the run that it was recorded in.
    scan: Option<Arc<SecretScan>>,
}

/// What is recorded counts, not who recorded it.
impl PartialEq for Cassette {
    fn eq(&self, other: &Self) -> bool {
        self.interactions == other.interactions && self.variables == other.variables
    }
}

impl Cassette {
    /// An empty cassette.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file, and the files beside it that hold large bodies.
    ///
    /// # Errors
    /// When the file cannot be read, is not a cassette of this version, holds a value that is not known, or when a
    /// file with a body is missing or has changed. The error names the file and the interaction.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CassetteError> {
        file::load(path.as_ref())
    }

    /// Reads the text of a file whose bodies are all inside of it.
    ///
    /// # Errors
    /// As [`load`](Self::load); a body in a file of its own is refused.
    pub fn from_json(text: &str) -> Result<Self, CassetteError> {
        file::parse(text, &file::NoParts)
    }

    /// The text of the file, every body inside of it.
    ///
    /// Nothing is searched for secrets here: that is for what is saved.
    ///
    /// # Errors
    /// When a status or a number cannot be written as JSON, which no recorded one does.
    pub fn to_json(&self) -> Result<String, CassetteError> {
        file::write(self, &mut file::Inline)
    }

    /// Writes the file, all of it or nothing, and the bodies over 64 KiB that are not text into files beside it.
    ///
    /// A cassette that a player recorded is searched for the secrets which that player knows, in any encoding.
    ///
    /// # Errors
    /// When a secret, or something that has the shape of one, is left, or when the files cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CassetteError> {
        let path = path.as_ref();
        self.check_secrets().map_err(|error| error.in_file(path))?;
        file::save(self, path)
    }

    /// [`save`](Self::save) that also looks for the secrets that `scan` knows.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_with(&self, path: impl AsRef<Path>, scan: &SecretScan) -> Result<(), CassetteError> {
        let path = path.as_ref();
        scan.check(self).map_err(|error| error.in_file(path))?;
        self.save(path)
    }

    /// Looks for what no file may hold: what the recording player knows, or what looks like a secret.
    pub(crate) fn check_secrets(&self) -> Result<(), CassetteError> {
        match &self.scan {
            Some(scan) => scan.check(self),
            None => SecretScan::new().check(self),
        }
    }

    /// The cassette with the check that it has to pass before it is saved. Never weaker than the shapes of secrets.
    #[must_use]
    pub(crate) fn with_scan(mut self, scan: SecretScan) -> Self {
        self.scan = Some(Arc::new(scan));
        self
    }

    /// Makes a cassette of recorded exchanges in JSON lines.
    ///
    /// A line is an object with `kind` (`api` or `storage`), `method`, `path`, `query`, `request` (JSON), `status`,
    /// `headers`, and `body` (JSON or text), `body_base64` or `body_missing`; `scenario` is `[name, state required,
    /// state after]` where one request had several answers, and `insertion` orders lines that nothing else orders,
    /// the highest first. A statement stands before what asks for it by its id, a link before its download; equal
    /// answers to polls become one. A body that is missing becomes a failure that says so when it is asked for.
    ///
    /// Another client may have asked in other words: [`retain`](Self::retain) drops what only that one did, and
    /// [`CassetteOptions`](crate::CassetteOptions) say which fields of a request do not count.
    ///
    /// # Errors
    /// When a line is not such an object. The error names the line.
    pub fn from_exchanges(jsonl: &str) -> Result<Self, CassetteError> {
        recordings::convert(jsonl)
    }

    /// Drops the interactions that `keep` is false for, such as the sessions that another client opened: they are
    /// neither answered nor missed at the end of a replay, and every other one still has to be asked for.
    ///
    /// ```
    /// use databricks_testkit::Cassette;
    ///
    /// let mut cassette = Cassette::from_exchanges(
    ///     r#"{"kind": "api", "method": "POST", "path": "/api/2.0/sql/sessions/", "status": 200, "body": {}}
    ///        {"kind": "api", "method": "POST", "path": "/api/2.0/sql/statements/", "status": 200, "body": {}}"#,
    /// )?;
    /// cassette.retain(|interaction| !interaction.request.path.starts_with("/api/2.0/sql/sessions"));
    /// assert_eq!(cassette.interactions()[0].request.path, "/api/2.0/sql/statements");
    /// # Ok::<(), databricks_testkit::CassetteError>(())
    /// ```
    pub fn retain(&mut self, keep: impl FnMut(&Interaction) -> bool) {
        self.interactions.retain(keep);
    }

    /// What was recorded, in order, as templates.
    pub fn interactions(&self) -> &[Interaction] {
        &self.interactions
    }

    /// What the names in the templates stood for when they were recorded.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// A cassette of sanitized interactions in their final order: ids get names, texts become templates.
    ///
    /// # Errors
    /// When an id cannot be named.
    pub(crate) fn assemble(literal: Vec<Interaction>, declared: &Variables) -> Result<Self, CassetteError> {
        let (interactions, variables) = assign(literal, declared)?;
        Ok(Self { interactions, variables, scan: None })
    }

    /// A cassette of templates, each of which is looked at.
    ///
    /// # Errors
    /// When a template cannot be read or names a variable that is not there.
    pub(crate) fn from_templates(
        interactions: Vec<Interaction>,
        variables: Variables,
    ) -> Result<Self, CassetteError> {
        template_check::check(&interactions, &variables)?;
        Ok(Self { interactions, variables, scan: None })
    }

    /// The interactions with values in the place of names.
    pub(crate) fn literal(&self, bindings: &Bindings) -> Vec<Interaction> {
        self.interactions.iter().map(|interaction| bindings.fill_interaction(interaction)).collect()
    }
}

impl fmt::Debug for Cassette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interactions, variables, scan: _ } = self;
        f.debug_struct("Cassette")
            .field("interactions", &interactions.len())
            .field("variables", &variables.iter().count())
            .finish_non_exhaustive()
    }
}
