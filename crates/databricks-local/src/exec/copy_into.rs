//! COPY INTO: loads each file of a volume once, all files of a statement in one commit.
//!
//! The commit holds one `txn` action per file, under an application id made of the file's path. "Loaded already" is
//! therefore as atomic as the rows themselves, and any number of statements may ask for the same files.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use databricks_testkit::EngineResult;
use datafusion::catalog::TableProvider;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, UNNAMED_TABLE};
use deltalake::DeltaTable;
use deltalake::kernel::{Action, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde_json::Value;

use super::adopt::Wanted;
use super::alter::CURRENT_DEFAULT;
use super::commit::{self, Draft};
use super::definition::Definition;
use super::files::{self, DataFile};
use super::projection::{self, Matching};
use super::rows::{count, counts};
use super::source_path::SourcePath;
use super::statement::Statement;
use super::write::{Target, Written, delete_files};
use crate::error::{LocalError, Result};
use crate::parse::CopyInto;
use crate::query;

/// The class of the error for a path at which nothing is.
const PATH_NOT_FOUND: &str = "PATH_NOT_FOUND";
/// Log lookups at the same time.
const LOOKUPS_AT_ONCE: usize = 8;

impl Statement {
    pub(super) async fn copy_into(&self, copy: CopyInto) -> Result<EngineResult> {
        let force = force(&copy)?;
        let path = self.object(&copy.table)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let target = Target::of(&table)?;
        let Sources { found, missing } = source_files(self, &copy).await?;
        let loads = Definition::of(&table)?.loads().map(str::to_owned);
        let loads = loads.as_deref();
        let new = if force { found } else { not_loaded(&table, loads, found).await? };
        // A named file that was loaded before may have been removed since; any other must be there.
        let lacking = if force { missing } else { not_loaded(&table, loads, missing).await? };
        if let Some(file) = lacking.first() {
            return Err(files::path_not_found(&file.path.to_string()));
        }
        if new.is_empty() {
            return loaded(self, 0).await;
        }
        let folder = self.shared.metastore.table_dir(&path);
        let written = self.copy_files(&copy, &target, folder, &new).await?;
        let draft = self.copy_draft(&copy, loads, &written, &new);
        commit::commit(table, draft, guard).await?;
        loaded(self, written.rows).await
    }

    /// Makes data files of the files: of those that can be it as they are by a copy, of the rows of all others anew.
    async fn copy_files(
        &self,
        copy: &CopyInto,
        target: &Target,
        folder: PathBuf,
        new: &[DataFile],
    ) -> Result<Written> {
        let contents = files::look(self, new, &copy.file_format, &copy.format_options).await?;
        let plan = self.copy_plan(copy, target, contents.table(new)?).await?;
        let wanted = if contents.is_as_found() { Wanted::of(target, &plan)? } else { None };
        let Some(wanted) = wanted else { return self.write(plan, target).await };
        let (adopted, others) = self.adopt(wanted, target, folder, new).await?;
        if others.is_empty() {
            return Ok(adopted);
        }
        let written = async {
            let plan = self.copy_plan(copy, target, contents.table(&others)?).await?;
            self.write(plan, target).await
        };
        match written.await {
            Ok(written) => Ok(adopted.and(written)),
            Err(error) => {
                delete_files(target, &adopted.files).await;
                Err(error)
            }
        }
    }

    /// The rows of the files, as the table's columns.
    async fn copy_plan(
        &self,
        copy: &CopyInto,
        target: &Target,
        provider: Arc<dyn TableProvider>,
    ) -> Result<LogicalPlan> {
        let source = match &copy.select {
            Some(select) => query::plan_copy_select(self, select, provider, &self.parameters).await?,
            None => LogicalPlanBuilder::scan(UNNAMED_TABLE, provider_as_source(provider), None)?.build()?,
        };
        let matching = matching(copy, target, &source)?;
        let mut columns = target.schema.fields().iter().zip(&matching);
        let left_out =
            columns.find(|(field, given)| given.is_none() && field.metadata().contains_key(CURRENT_DEFAULT));
        if let Some((field, _)) = left_out {
            return Err(LocalError::unsupported_feature(format_args!(
                "COPY INTO that leaves out the column `{}`, which has a DEFAULT: give it in the SELECT list",
                field.name()
            )));
        }
        projection::project(source, &target.schema, &matching, &[])
    }

    fn copy_draft(&self, copy: &CopyInto, loads: Option<&str>, written: &Written, new: &[DataFile]) -> Draft {
        let now = chrono::Utc::now().timestamp_millis();
        let mut actions: Vec<Action> = written.files.iter().cloned().map(Action::Add).collect();
        actions.extend(
            new.iter().map(|file| {
                Action::Txn(Transaction::new_with_last_update(app_id(loads, file), 1, Some(now)))
            }),
        );
        Draft {
            name: "COPY INTO",
            parameters: vec![
                ("path", Value::from(copy.path.clone())),
                ("fileFormat", Value::from(copy.file_format.clone())),
            ],
            operation: DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None },
            metrics: vec![
                ("numFiles", count(written.files.len())),
                ("numOutputRows", written.rows),
                ("numOutputBytes", written.bytes()),
                ("numSourceFiles", count(new.len())),
            ],
            actions,
            blind_append: true,
            user: self.user.clone(),
        }
    }
}

async fn loaded(statement: &Statement, rows: u64) -> Result<EngineResult> {
    let skipped_corrupt = ("num_skipped_corrupt_files", 0);
    counts(statement, [("num_affected_rows", rows), ("num_inserted_rows", rows), skipped_corrupt]).await
}

/// The application id of a file in the table's log. A table that took another's place has loaded nothing yet.
fn app_id(loads: Option<&str>, file: &DataFile) -> String {
    match loads {
        None => format!("copy-into:{}", file.path),
        Some(loads) => format!("copy-into:{loads}:{}", file.path),
    }
}

/// The files of which the table's log says nothing.
async fn not_loaded(table: &DeltaTable, loads: Option<&str>, found: Vec<DataFile>) -> Result<Vec<DataFile>> {
    let mut lookups = Vec::with_capacity(found.len());
    for file in found {
        lookups.push(unless_loaded(table.clone(), app_id(loads, &file), file).boxed());
    }
    let checked: Vec<Option<DataFile>> =
        futures::stream::iter(lookups).buffered(LOOKUPS_AT_ONCE).try_collect().await?;
    Ok(checked.into_iter().flatten().collect())
}

/// The file, if the table's log does not name it.
async fn unless_loaded(table: DeltaTable, id: String, file: DataFile) -> Result<Option<DataFile>> {
    let store = table.log_store();
    let version = table.snapshot()?.transaction_version(store.as_ref(), id).await?;
    Ok(version.is_none().then_some(file))
}

/// What a statement names.
#[derive(Default)]
struct Sources {
    /// The files that are there.
    found: Vec<DataFile>,
    /// Those that FILES names and that are not.
    missing: Vec<DataFile>,
}

/// The files the statement names, by path, FILES and PATTERN.
async fn source_files(statement: &Statement, copy: &CopyInto) -> Result<Sources> {
    if !copy.file_format.eq_ignore_ascii_case("parquet") {
        return Err(LocalError::unsupported_feature(format_args!(
            "COPY INTO with FILEFORMAT = {}",
            copy.file_format
        )));
    }
    if copy.files.is_empty() {
        let mut files = files::list(statement, &copy.path).await?;
        if let Some(pattern) = &copy.pattern {
            check_pattern(pattern)?;
            files.retain(|file| glob(pattern.as_bytes(), file.path.name().as_bytes()));
        }
        return if files.is_empty() {
            Err(no_files(copy))
        } else {
            Ok(Sources { found: files, missing: Vec::new() })
        };
    }
    let mut sources = Sources::default();
    // A name given twice is one file.
    for name in copy.files.iter().collect::<BTreeSet<_>>() {
        let path = format!("{}/{name}", copy.path.trim_end_matches('/'));
        match files::list(statement, &path).await {
            Ok(files) => sources.found.extend(files),
            Err(error) if error.class() == PATH_NOT_FOUND => {
                let Ok(path) = SourcePath::parse(&path) else { return Err(error) };
                sources.missing.push(DataFile { path, place: PathBuf::new() });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(sources)
}

/// `[COPY_INTO_SOURCE_SCHEMA_INFERENCE_FAILED]`: a folder without data is a mistake, not an empty load.
fn no_files(copy: &CopyInto) -> LocalError {
    LocalError::new(
        "COPY_INTO_SOURCE_SCHEMA_INFERENCE_FAILED",
        "42KD9",
        format!(
            "The source directory did not contain any parsable files of type {}. Please check the contents of '{}'.",
            copy.file_format, copy.path
        ),
    )
}

/// COPY_OPTIONS: whether to load files again. Others are refused by name.
fn force(copy: &CopyInto) -> Result<bool> {
    let mut force = false;
    for (key, value) in &copy.copy_options {
        let on = value.eq_ignore_ascii_case("true");
        match key.to_ascii_lowercase().as_str() {
            "force" => force = on,
            "mergeschema" if !on => {}
            _ => {
                let what = format_args!("COPY INTO with the option '{key}' = '{value}'");
                return Err(LocalError::unsupported_feature(what));
            }
        }
    }
    Ok(force)
}

/// Which column of the files fills which column of the table.
fn matching(copy: &CopyInto, target: &Target, source: &LogicalPlan) -> Result<Matching> {
    let given: Vec<String> = source.schema().fields().iter().map(|field| field.name().clone()).collect();
    if copy.by_position || !copy.columns.is_empty() {
        return projection::by_position(&target.schema, &copy.columns, given.len(), |wanted, given| {
            let message = format!(
                "Cannot copy into the table: {wanted} columns are to be filled, the source has {given}."
            );
            LocalError::new("COPY_INTO_COLUMN_ARITY_MISMATCH", "21S01", message)
        });
    }
    projection::by_name(&target.schema, &given, |name| {
        let message = format!(
            "A schema mismatch was detected: the source column `{name}` is not in the table. Leave it out of the SELECT list, or add it with ALTER TABLE .. ADD COLUMNS."
        );
        LocalError::new("COPY_INTO_SCHEMA_MISMATCH_WITH_TARGET_TABLE", "42KDG", message)
    })
}

fn check_pattern(pattern: &str) -> Result<()> {
    if pattern.contains(['[', '{', '\\', '/']) {
        return Err(LocalError::unsupported_feature(format_args!(
            "COPY INTO with PATTERN = '{pattern}': * and ? are known"
        )));
    }
    Ok(())
}

/// Whether a name matches a pattern of `*` and `?`.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            (0..=name.len()).any(|skip| name.get(skip..).is_some_and(|tail| glob(rest, tail)))
        }
        (Some((b'?', rest)), Some((_, tail))) => glob(rest, tail),
        (Some((a, rest)), Some((b, tail))) => a == b && glob(rest, tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("*.parquet", "a.parquet", true),
            ("part-?.*", "part-1.x", true),
            ("a*", "ba", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
