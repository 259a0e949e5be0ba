//! What a write would do, with nothing written.

mod data;
mod estimate;
mod partitions;
mod warnings;

use databricks_schema::{SchemaCompatibility, TableDescription, TableName, TableSchema};

use super::files::At;
use super::load::Load;
use super::run::{Job, Plan, check, pace};
use super::{SchemaMode, Write, WriteMode, append, create, evolve, replace};
use crate::error::Result;
use crate::input::Prepared;
use crate::lookup::{self, Found};
use crate::progress::Reporter;
use crate::stage::{Place, Stage, Staged, StagedFile, part_name};
use crate::write_id::WriteId;
use data::Data;

/// What a write would do.
#[derive(Debug)]
#[non_exhaustive]
pub struct DryRunResult {
    /// Whether the write would put rows into the table, as far as can be told before it is run. If not,
    /// [`warnings`](Self::warnings) say why.
    pub would_write: bool,
    /// Whether a write of the same idempotency key is in the table already.
    pub already_applied: bool,
    /// How the data's columns stand to the table's: identical when the table needs no change. Text is no difference,
    /// since the statement casts it.
    pub schema_compatibility: SchemaCompatibility,
    /// Rows of the data.
    pub rows: u64,
    /// Parts (files) that the statement would load.
    pub parts: u64,
    /// Bytes of Parquet that these parts would have, estimated from some that were encoded.
    pub estimated_size_bytes: u64,
    /// Partitions of the table that the rows go to; 0 when it has none.
    pub estimated_partitions: usize,
    /// These partitions (`day=2026-01-02/region=eu`), in order: the first thousand.
    pub partition_values: Vec<String>,
    /// The mode that was asked about.
    pub mode: WriteMode,
    /// The statements that would be run, in order: those that change the schema, and the one that commits.
    pub statements: Vec<String>,
    /// What stands against the write, or could be better.
    pub warnings: Vec<String>,
}

impl Write<'_> {
    /// Looks at the data and the table and says what [`send`](Self::send) would do; nothing is written. A stream is read
    /// to its end for it.
    ///
    /// # Errors
    /// Those of [`send`](Self::send) that can be known before anything is sent: a missing table, data that cannot be
    /// written, options that contradict each other.
    pub async fn dry_run(self) -> Result<DryRunResult> {
        Box::pin(self.run_dry()).await
    }

    async fn run_dry(self) -> Result<DryRunResult> {
        let Self { client, table, source, options, place, parameters } = self;
        let table = table.get()?;
        check(&options, &parameters)?;
        let pace = pace(&options)?;
        let key = options.idempotency_key.as_deref();
        let write_id = key.map_or_else(WriteId::random, |key| WriteId::derived(key, table));
        let remote = client.remote()?;
        let job = Job { remote, table, write_id, options: &options, parameters: &parameters };
        let is_empty = source.is_known_empty();
        let (input, files) = source.open(remote).await?;
        let found = lookup::find(remote, table).await?;
        let plan = job.plan(found.as_ref()).await?;

        let mut notes = warnings::Warnings::default();
        let mut statements = Vec::new();
        let mut schema = TableSchema::default();
        let compatibility = match &found {
            // Of no rows no types can be told.
            Some(found) if !is_empty => {
                let wanted = evolve::wanted(&input, found)?;
                let compatibility =
                    SchemaCompatibility::of_table(&described(table, found), &wanted, &evolve::options());
                if options.schema == SchemaMode::Evolve && !compatibility.is_identical() {
                    let evolution = evolve::manager(remote).plan(table, &wanted).await?;
                    statements.extend(evolution.statements.into_iter().map(|statement| statement.sql));
                }
                notes.of_schema(&compatibility, options.schema);
                notes.of_casts(&input.fields()?, &found.schema);
                schema = match options.schema {
                    SchemaMode::Evolve => wanted,
                    // The table's types stay as they are.
                    SchemaMode::Strict => input.wanted(&found.schema, false)?,
                };
                compatibility
            }
            _ => SchemaCompatibility::Identical,
        };
        let partitioned_by = found.as_ref().map_or(&options.partitioned_by, |found| &found.partitions);
        let (data, casts) = if is_empty {
            (Data::default(), Vec::new())
        } else {
            let Prepared { batches, layout, casts } = match &found {
                Some(_) => input.for_table(table, &schema).await?,
                None => input.for_new_table().await?,
            };
            replace::check_data(&job, &casts)?;
            let data = match &files {
                Some(files) => Data::of_files(files),
                None => data::look(batches, &layout, &pace, &schema, partitioned_by).await?,
            };
            (data, casts)
        };
        notes.of_data(&data, files.is_some(), partitioned_by);
        if matches!(plan, Plan::Done) {
            notes.against("a write of this idempotency key is in the table already".to_owned());
        }

        let would_write = !notes.is_against();
        if data.rows > 0 && !matches!(plan, Plan::Done) {
            let storage = Place::open(place.as_ref(), remote, table)?;
            let reporter = Reporter::default();
            let stage = Stage::new(storage, write_id, plan.sharing(key), &pace, &reporter);
            let load = match files.map(|files| files.at) {
                Some(At::Volume { directory, files }) => Load::in_place(&stage, directory, files, &casts)?,
                _ => {
                    if let Some(statement) = stage.storage().preparation().await? {
                        statements.insert(0, statement);
                    }
                    Load::staged(&stage, data.as_staged(), &casts)
                }
            };
            statements.push(match (&plan, &found) {
                (Plan::Append, Some(_)) => append::sql(&job, &load, &schema),
                (Plan::Replace(how), Some(_)) => replace::sql(&job, how, &load, &schema),
                _ => create::sql(&job, &load),
            });
        }
        Ok(DryRunResult {
            would_write,
            already_applied: matches!(plan, Plan::Done),
            schema_compatibility: compatibility,
            rows: data.rows,
            parts: data.parts,
            estimated_size_bytes: data.bytes,
            estimated_partitions: data.partitions.count(),
            partition_values: data.partitions.into_first(),
            mode: options.mode,
            statements,
            warnings: notes.into_texts(),
        })
    }
}

fn described(table: &TableName, found: &Found) -> TableDescription {
    let table = TableDescription::new(table.clone(), found.schema.clone());
    let with_property =
        |table: TableDescription, (key, value): (&String, &String)| table.with_property(key, value);
    found.properties.iter().fold(table.with_partition_columns(&found.partitions), with_property)
}

impl Data {
    /// The parts by the names that they would have.
    fn as_staged(&self) -> Staged {
        let file = |index: u64| {
            let name = part_name(usize::try_from(index).unwrap_or(usize::MAX));
            StagedFile { name, bytes: 0, rows: 0 }
        };
        Staged {
            rows: self.rows,
            bytes: self.bytes,
            parts: self.parts,
            files: (0..self.parts).map(file).collect(),
        }
    }
}
