//! Files of volumes and external locations as query input: listing them, and reading them as tables.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::common::config::TableParquetOptions;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Cast, Expr, LogicalPlanBuilder, UNNAMED_TABLE, ident, lit};
use deltalake::kernel::StructField;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use futures::{FutureExt, StreamExt, TryStreamExt};
use url::Url;

use super::definition::widening::widens;
use super::source_path::SourcePath;
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::metastore::Metastore;

/// File footers read at the same time.
const FOOTERS_AT_ONCE: usize = 8;

/// A data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DataFile {
    /// As SQL names it.
    pub(super) path: SourcePath,
    /// Where it lies.
    pub(super) place: PathBuf,
}

/// The data files at a path: the file itself, or those of the folder. Names that begin with `_` or `.` are none.
///
/// # Errors
/// `[PATH_NOT_FOUND]`, and named refusals for paths that are not of this workspace, globs, and folders in the folder.
pub(super) async fn list(statement: &Statement, path: &str) -> Result<Vec<DataFile>> {
    let path = path.to_owned();
    statement.blocking(move |shared| list_blocking(&shared.metastore, &path)).await
}

fn list_blocking(metastore: &Metastore, text: &str) -> Result<Vec<DataFile>> {
    let path = SourcePath::parse(text)?;
    let place = path.place(metastore)?;
    let metadata = std::fs::metadata(&place).map_err(|_| path_not_found(text))?;
    if metadata.is_file() {
        return Ok(vec![DataFile { path, place }]);
    }
    let io = |e: std::io::Error| LocalError::io("Cannot list", &place, &e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&place).map_err(io)? {
        let entry = entry.map_err(io)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with(['_', '.']) {
            continue;
        }
        if entry.file_type().map_err(io)?.is_dir() {
            return Err(LocalError::unsupported_feature(format_args!(
                "reading the folders inside {path} (it holds '{name}'): name the folder that holds the files"
            )));
        }
        let path = path.child(&name)?;
        files.push(DataFile { path, place: entry.path() });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The files as one table: columns are those of all files, matched by name.
///
/// # Errors
/// As [`look`].
pub(super) async fn provider(
    statement: &Statement,
    files: &[DataFile],
    format: &str,
    options: &[(String, String)],
) -> Result<Arc<dyn TableProvider>> {
    look(statement, files, format, options).await?.table(files)
}

/// What files hold together.
pub(super) struct Contents {
    /// The columns of all files.
    schema: SchemaRef,
    /// The columns that a statement declares, where it does.
    declared: Option<Schema>,
    options: ListingOptions,
}

/// Looks at the footers of the files.
///
/// # Errors
/// `[PATH_NOT_FOUND]` for no file at all, `[FAILED_READ_FILE]` for one that is not of the format, and a named refusal
/// for a format or option that is not built.
pub(super) async fn look(
    statement: &Statement,
    files: &[DataFile],
    format: &str,
    options: &[(String, String)],
) -> Result<Contents> {
    if !format.eq_ignore_ascii_case("parquet") {
        return Err(LocalError::unsupported_feature(format_args!(
            "the file format '{format}': PARQUET is read"
        )));
    }
    let mut declared = None;
    for (key, value) in options {
        match key.eq_ignore_ascii_case("schema") {
            true => declared = Some(declared_schema(value)?),
            false => check_option(key, value)?,
        }
    }
    // Views and the like stay out of plans: the engine's types are the table's types.
    let mut parquet = TableParquetOptions::default();
    // The statistics of files pass over NaN, so nothing is concluded from them, here and in `session`.
    (parquet.global.pruning, parquet.global.enable_page_index) = (false, false);
    let format = ParquetFormat::default().with_options(parquet).with_force_view_types(false);
    let options = ListingOptions::new(Arc::new(format)).with_file_extension("");
    let state = statement.context.state();
    let mut footers = Vec::with_capacity(files.len());
    for file in files {
        footers.push(read_schema(file.clone(), url(&file.place)?, options.clone(), state.clone()).boxed());
    }
    let schemas: Vec<Schema> = futures::stream::iter(footers).buffered(FOOTERS_AT_ONCE).try_collect().await?;
    let schema = Schema::try_merge(schemas.into_iter().map(plain)).map_err(|error| {
        LocalError::new(
            "FAILED_MERGE_SCHEMA",
            "42KD9",
            format!("The files do not agree on their columns: {error}."),
        )
    })?;
    Ok(Contents { schema: Arc::new(schema), declared, options })
}

impl Contents {
    /// These of the files that were looked at, as one table with the columns of all.
    pub(super) fn table(&self, files: &[DataFile]) -> Result<Arc<dyn TableProvider>> {
        let urls: Vec<ListingTableUrl> = files.iter().map(|file| url(&file.place)).collect::<Result<_>>()?;
        let config = ListingTableConfig::new_with_multi_paths(urls)
            .with_listing_options(self.options.clone())
            .with_schema(Arc::clone(&self.schema));
        let files: Arc<dyn TableProvider> = Arc::new(ListingTable::try_new(config)?);
        match &self.declared {
            None => Ok(files),
            Some(declared) => as_declared(files, declared),
        }
    }

    /// Whether the table has the columns that the files have.
    pub(super) fn is_as_found(&self) -> bool {
        self.declared.is_none()
    }
}

/// The columns that the option `schema` declares.
fn declared_schema(text: &str) -> Result<Schema> {
    let columns =
        databricks_schema::TableSchema::parse(text).and_then(|columns| columns.to_arrow()).map_err(
            |error| LocalError::new("PARSE_SYNTAX_ERROR", "42601", format!("The schema '{text}': {error}.")),
        )?;
    Ok(plain(columns))
}

/// The files' columns of the declared names, in the declared types; NULL for one that no file has.
///
/// # Errors
/// A refusal naming a column whose type in the files does not fit the declared one without loss.
fn as_declared(files: Arc<dyn TableProvider>, declared: &Schema) -> Result<Arc<dyn TableProvider>> {
    let found = files.schema();
    let mut columns = Vec::with_capacity(declared.fields().len());
    for field in declared.fields() {
        let same =
            |other: &&arrow::datatypes::FieldRef| other.name().to_lowercase() == field.name().to_lowercase();
        let value = match found.fields().iter().find(same) {
            None => lit(ScalarValue::try_from(field.data_type())?),
            Some(given) if given.data_type() == field.data_type() => ident(given.name()),
            Some(given) if is_wider(given, field)? => {
                Expr::Cast(Cast::new(Box::new(ident(given.name())), field.data_type().clone()))
            }
            Some(given) => {
                return Err(LocalError::unsupported_feature(format_args!(
                    "reading the column `{}`, a {} in the files, as {}",
                    field.name(),
                    given.data_type(),
                    field.data_type()
                )));
            }
        };
        columns.push(value.alias(field.name()));
    }
    let scan = LogicalPlanBuilder::scan(UNNAMED_TABLE, provider_as_source(files), None)?;
    Ok(Arc::new(ViewTable::new(scan.project(columns)?.build()?, None)))
}

/// Whether every value of a column in the files is one of the declared type.
fn is_wider(given: &Field, declared: &Field) -> Result<bool> {
    let (given, declared): (StructField, StructField) = (
        given.try_into_kernel().map_err(LocalError::from)?,
        declared.try_into_kernel().map_err(LocalError::from)?,
    );
    Ok(widens(&given.data_type, &declared.data_type))
}

/// The columns of one file.
async fn read_schema(
    file: DataFile,
    url: ListingTableUrl,
    options: ListingOptions,
    state: SessionState,
) -> Result<Schema> {
    let schema = options.infer_schema(&state, &url).await;
    schema.map(|schema| schema.as_ref().clone()).map_err(|error| unreadable(&file, error.into()))
}

/// File metadata is a writer's own and differs from file to file; every column may be missing in another file.
fn plain(schema: Schema) -> Schema {
    let fields = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true).with_metadata(Default::default()));
    Schema::new(fields.collect::<Vec<_>>())
}

/// Options that change nothing here are taken; others are refused by name.
fn check_option(key: &str, value: &str) -> Result<()> {
    match key.to_ascii_lowercase().as_str() {
        "mergeschema" => Ok(()),
        "schemaevolutionmode" if value.eq_ignore_ascii_case("none") => Ok(()),
        _ => Err(LocalError::unsupported_feature(format_args!(
            "the option '{key}' = '{value}' for PARQUET files"
        ))),
    }
}

fn url(place: &Path) -> Result<ListingTableUrl> {
    let url = Url::from_file_path(place)
        .map_err(|()| LocalError::internal(format_args!("{} is no absolute path", place.display())))?;
    Ok(ListingTableUrl::parse(url.as_str())?)
}

fn unreadable(file: &DataFile, error: LocalError) -> LocalError {
    match error.class() {
        "STORAGE_FULL" | "OUT_OF_MEMORY" => error,
        _ => LocalError::new(
            "FAILED_READ_FILE.PARQUET_NOT_READABLE",
            "KD001",
            format!("Error while reading file {}: it is no Parquet file. {}", file.path, error.message()),
        ),
    }
}

/// `[PATH_NOT_FOUND]`.
pub(super) fn path_not_found(path: &str) -> LocalError {
    LocalError::new("PATH_NOT_FOUND", "42K03", format!("Path does not exist: {path}."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::metastore::{Entry, Location, ObjectPath};

    fn volume() -> (tempfile::TempDir, Metastore, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let metastore = Metastore::open(dir.path()).unwrap();
        let path = ObjectPath::parse("main", "default", "v").unwrap();
        metastore.create_volume(&path, Entry::new("u", None), false).unwrap();
        let place = metastore.volume_dir(&path);
        (dir, metastore, place)
    }

    #[test]
    fn hidden_files_are_not_data() {
        let (_dir, metastore, place) = volume();
        for name in ["b.parquet", "a.parquet", "_SUCCESS", ".part.crc"] {
            std::fs::write(place.join(name), "x").unwrap();
        }
        let files = list_blocking(&metastore, "dbfs:/Volumes/MAIN/default/v/").unwrap();
        let names: Vec<String> = files.iter().map(|file| file.path.to_string()).collect();
        assert_eq!(names, ["/Volumes/main/default/v/a.parquet", "/Volumes/main/default/v/b.parquet"]);
    }

    #[test]
    fn files_of_an_external_location_are_named_by_its_url() {
        let (_dir, metastore, _) = volume();
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir(outside.path().join("in")).unwrap();
        std::fs::write(outside.path().join("in/a.parquet"), "x").unwrap();
        let location = Location::new("s3://bucket/data/", outside.path()).unwrap();
        let metastore = metastore.with_locations(vec![location]);
        let files = list_blocking(&metastore, "s3://bucket/data/in/").unwrap();
        let names: Vec<String> = files.iter().map(|file| file.path.to_string()).collect();
        assert_eq!(names, ["s3://bucket/data/in/a.parquet"]);
        for (path, class) in [
            ("s3://bucket/data/nope", "PATH_NOT_FOUND"),
            ("s3://bucket/database/in", "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE"),
            ("s3://other/data/in", "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE"),
            ("s3://bucket/data/../x", "INVALID_PARAMETER_VALUE.INVALID_PATH"),
        ] {
            let error = list_blocking(&metastore, path).unwrap_err();
            assert_eq!(error.class(), class, "{path}: {error}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let (_dir, metastore, place) = volume();
        std::fs::create_dir(place.join("inner")).unwrap();
        let cases = [
            ("/Volumes/main/default/v/nope", "PATH_NOT_FOUND"),
            ("/Volumes/main/default/other", "UC_VOLUME_NOT_FOUND"),
            ("/Volumes/main/default/v/../../x", "INVALID_PARAMETER_VALUE.INVALID_PATH"),
            ("s3://bucket/x", "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE"),
            ("/Volumes/main/default/v/*.parquet", "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE"),
            ("/Volumes/main/default/v", "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE"),
        ];
        for (path, class) in cases {
            let error = list_blocking(&metastore, path).unwrap_err();
            assert_eq!(error.class(), class, "{path}: {error}");
        }
    }
}
