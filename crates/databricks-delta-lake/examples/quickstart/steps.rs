//! The steps of the job, each one call or two of the library.

use std::time::Instant;

use databricks_delta_lake::{
    delta::{DeltaClient, WriteProgress},
    schema::{ColumnSchema, DataType, TableName, TableSchema, quote},
    sql::SqlClient,
};
use futures::{TryStreamExt, stream};
use indicatif::HumanCount;
use serde::Deserialize;

use crate::{Failure, dataset::Dataset, place::Place, show};

/// The column that the job adds.
const ADDED: &str = "loaded_from";

/// Everything the steps work with.
pub(crate) struct Job<'a> {
    place: &'a Place,
    dataset: &'a Dataset,
    table: TableName,
    delta: DeltaClient,
    sql: SqlClient,
    run_key: &'a str,
}

/// A line of the summary.
#[derive(Deserialize)]
struct Summary {
    category: Option<String>,
    rows: i64,
    mean: Option<f64>,
    lowest: Option<f64>,
    highest: Option<f64>,
}

impl<'a> Job<'a> {
    /// A job on one table, in the configuration's catalog and schema, else in `main.default`.
    pub(crate) fn new(
        place: &'a Place,
        dataset: &'a Dataset,
        table: &str,
        run_key: &'a str,
    ) -> Result<Self, Failure> {
        let config = place.client.config();
        let (catalog, schema) = (config.catalog().unwrap_or("main"), config.schema().unwrap_or("default"));
        let table = TableName::new(catalog, schema, table)?;
        let delta = place.client.delta(catalog, schema)?;
        let sql = place.client.default_sql()?;
        Ok(Self { place, dataset, table, delta, sql, run_key })
    }

    /// Runs every step.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        println!("Running on {}", self.place.title);
        self.create().await?;
        let loaded = self.write().await?;
        self.merge().await?;
        self.add_column().await?;
        self.optimize().await?;
        self.summarize().await?;
        self.read_back().await?;
        self.travel(loaded).await?;
        self.history().await?;
        self.close();
        Ok(())
    }

    async fn create(&self) -> Result<(), Failure> {
        show::step(format!("Create the table {}", self.table.full_name()));
        let schema = TableSchema::from_arrow(&self.dataset.schema())?;
        let columns = schema.columns.iter().map(|column| [column.name.clone(), column.data_type.to_string()]);
        let created = self.delta.create_table(&self.table, schema.clone()).if_not_exists();
        created.comment(format!("Loaded from {}", self.dataset.name())).send().await?;
        show::table(["column", "type"], columns);
        Ok(())
    }

    /// Loads all but the newest rows, in one commit; returns the version that holds them.
    async fn write(&self) -> Result<i64, Failure> {
        let rows = self.dataset.rows() - self.dataset.held_back();
        show::step(format!("Write {} rows of {}", HumanCount(rows as u64), self.dataset.name()));
        let (bar, begun) = (show::rows_bar(rows as u64), Instant::now());
        let batches = stream::iter(self.dataset.batches(0..rows));
        let write = self.delta.write_batches(&self.table, self.dataset.schema(), batches);
        let moved = bar.clone();
        let written = write
            .idempotency_key(format!("{} rows", self.run_key))
            .progress(move |progress: WriteProgress| moved.set_position(progress.rows_uploaded))
            .send()
            .await;
        bar.finish_and_clear();
        let written = written?;
        if written.already_applied {
            show::note("they were there already: this key's write had happened, and was not repeated");
        } else {
            show::note(show::rate(written.rows_affected, begun.elapsed()));
            show::note(format!("{} Parquet parts uploaded, then one commit", written.partitions_written));
        }
        self.version_of("COPY INTO").await
    }

    /// Merges rows kept back as new ones, and corrections of the newest that were loaded.
    async fn merge(&self) -> Result<(), Failure> {
        let (total, new) = (self.dataset.rows(), self.dataset.held_back());
        show::step(format!("Merge {0} corrections and {0} new rows", HumanCount(new as u64)));
        let begun = Instant::now();
        let corrections = self.dataset.corrections(total - 2 * new..total - new);
        let batches = stream::iter(corrections.chain(self.dataset.batches(total - new..total)));
        let merge = self.delta.merge(&self.table).using_batches(self.dataset.schema(), batches);
        // Columns by name rather than `*`: a run that is repeated finds the column that the first one added.
        let schema = self.dataset.schema();
        let columns: Vec<_> = schema.fields().iter().map(|field| quote::identifier(field.name())).collect();
        let each = |form: fn(&String) -> String| columns.iter().map(form).collect::<Vec<_>>().join(", ");
        let merged = merge
            .on_keys(&[self.dataset.key()])
            .when_matched_update(each(|column| format!("{column} = source.{column}")))
            .when_not_matched_insert(columns.join(", "), each(|column| format!("source.{column}")));
        let merged = merged.execute().await?;
        show::note(show::rate(2 * new as u64, begun.elapsed()));
        let counts = [merged.num_updated_rows, merged.num_inserted_rows, merged.num_deleted_rows];
        show::table(["updated", "inserted", "deleted"], [counts.map(|count| HumanCount(count).to_string())]);
        Ok(())
    }

    async fn add_column(&self) -> Result<(), Failure> {
        show::step(format!("Add the column {ADDED}"));
        let current = self.delta.table_schema(&self.table).await?;
        if current.columns.iter().any(|column| column.name.eq_ignore_ascii_case(ADDED)) {
            show::note("it is there already");
            return Ok(());
        }
        let column = ColumnSchema::new(ADDED, DataType::String).with_comment("Where the row was read");
        self.delta.add_columns(&self.table, [column]).send().await?;
        let update = format!("UPDATE {} SET {ADDED} = :name", self.table);
        let updated = self.sql.statement(update).param("name", self.dataset.name()).execute().await?;
        show::note(format!("and filled it in {} rows", HumanCount(updated.affected_rows().unwrap_or(0))));
        Ok(())
    }

    async fn optimize(&self) -> Result<(), Failure> {
        show::step(format!("Optimize, ordered by {}", self.dataset.key()));
        let begun = Instant::now();
        let optimized = self.delta.optimize(&self.table).zorder_by([self.dataset.key()]).send().await?;
        let metrics = &optimized.metrics;
        let (removed, added) = (metrics.num_files_removed, metrics.num_files_added);
        show::note(format!("{removed} files became {added} in {:.2} s", begun.elapsed().as_secs_f64()));
        Ok(())
    }

    async fn summarize(&self) -> Result<(), Failure> {
        let Some(measure) = self.dataset.measure() else { return Ok(()) };
        let category = self.dataset.category();
        show::step(format!("Read an aggregate: {measure} by {}", category.unwrap_or("nothing")));
        let column = quote::identifier(measure);
        let category = category.map_or("'all'".to_owned(), quote::identifier);
        let query = format!(
            "SELECT {category} AS category, count(*) AS rows, CAST(avg({column}) AS DOUBLE) AS mean, \
             CAST(min({column}) AS DOUBLE) AS lowest, CAST(max({column}) AS DOUBLE) AS highest \
             FROM {} GROUP BY 1 ORDER BY rows DESC, category LIMIT 10",
            self.table
        );
        let summary: Vec<Summary> = self.sql.statement(query).fetch_all().await?;
        let number = |value: Option<f64>| value.map_or("NULL".to_owned(), |value| format!("{value:.2}"));
        let lines = summary.into_iter().map(|line| {
            let category = line.category.unwrap_or_else(|| "NULL".to_owned());
            [category, line.rows.to_string(), number(line.mean), number(line.lowest), number(line.highest)]
        });
        show::table(["", "rows", "mean", "lowest", "highest"], lines);
        Ok(())
    }

    async fn read_back(&self) -> Result<(), Failure> {
        show::step("Read every row back");
        let begun = Instant::now();
        let batches = self.delta.read_table(&self.table).batches().await?;
        let rows: u64 = batches
            .map_ok(|batch| batch.num_rows() as u64)
            .try_fold(0, async |sum, rows| Ok(sum + rows))
            .await?;
        show::note(show::rate(rows, begun.elapsed()));
        if rows != self.dataset.rows() as u64 {
            return Err(Failure::new(format!(
                "{} holds {rows} rows, not {}",
                self.table,
                self.dataset.rows()
            )));
        }
        Ok(())
    }

    /// Compares the table with what it was before the merge.
    async fn travel(&self, loaded: i64) -> Result<(), Failure> {
        show::step(format!("Read version {loaded}, from before the merge"));
        #[derive(Deserialize)]
        struct Count {
            rows: i64,
        }
        let mut lines = Vec::new();
        for (title, at) in [(format!("version {loaded}"), Some(loaded)), ("now".to_owned(), None)] {
            let mut read = self.delta.read_table(&self.table).select("count(*) AS rows");
            if let Some(version) = at {
                read = read.version(version);
            }
            let counts: Vec<Count> = read.fetch_all().await?;
            lines.push([title, counts.first().map_or(0, |count| count.rows).to_string()]);
        }
        show::table(["", "rows"], lines);
        Ok(())
    }

    async fn history(&self) -> Result<(), Failure> {
        show::step("The table's history");
        let commits = self.delta.history(&self.table).send().await?;
        let lines = commits.into_iter().map(|commit| {
            let time = commit.timestamp.map_or_else(String::new, |at| at.format("%F %T").to_string());
            [commit.version.to_string(), time, commit.operation]
        });
        show::table(["version", "time", "operation"], lines);
        Ok(())
    }

    fn close(&self) {
        let Some(folder) = self.place.folder_of(&self.table) else { return };
        show::step("The Delta table lies in");
        show::note(folder.display());
        show::note("To run the same program on a real workspace, set DATABRICKS_HOST, DATABRICKS_TOKEN and");
        show::note(
            "DATABRICKS_WAREHOUSE_ID (and DATABRICKS_CATALOG and DATABRICKS_SCHEMA for another place than main.default).",
        );
    }

    /// The newest version that an operation made.
    async fn version_of(&self, operation: &str) -> Result<i64, Failure> {
        let commits = self.delta.history(&self.table).send().await?;
        let commit = commits.iter().find(|commit| commit.operation == operation);
        let missing = || Failure::new(format!("the history of {} has no {operation}", self.table));
        Ok(commit.ok_or_else(missing)?.version)
    }
}
