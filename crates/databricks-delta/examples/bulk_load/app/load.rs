//! The load: the table's columns, the files' columns, then one write or one merge of all rows.

use std::sync::Arc;

use databricks_delta::{DeltaClient, DeltaError, SchemaMode, Write, WriteMode, WriteOptions};
use databricks_schema::{TableName, TableSchema};

use super::args::{Args, Mode, Schema};
use super::bar::Bar;
use super::failure::Failure;
use super::report::Report;
use super::sources::{Batches, Dataset, Reading, SourceError, Tally};

/// Loads the files; the report gets what was done, whatever the end.
pub(crate) async fn run(
    delta: &DeltaClient,
    args: &Args,
    bar: &Bar,
    report: &mut Report,
) -> Result<(), Failure> {
    let table = delta.table_name(args.table.as_str())?;
    report.table = table.full_name();
    report.mode = mode_name(args);
    let there = columns_of(delta, &table).await?;
    report.table_is_new = there.is_none();
    check_partitions(delta, args, &table, there.is_some()).await?;
    let dataset = open(args, there.as_ref()).await?;
    report.files = dataset.files();
    report.columns = dataset.columns()?.to_string();
    report.new_columns = dataset.columns_beyond(there.as_ref());
    if dataset.schema().fields().is_empty() {
        // Files without a header and without rows: there is nothing to write, and nothing was lost.
        return Ok(());
    }
    check_partition_columns(args, &dataset)?;
    bar.starts(dataset.bytes());
    let tally = dataset.tally();
    let batches = dataset.read(bar.clone());
    let outcome = match args.dry_run {
        true => dry_run(delta, args, &table, batches, report).await,
        false if !args.merge_on.is_empty() => merge(delta, args, &table, batches, report).await,
        false => write(delta, args, &table, batches, (bar, &tally), report).await,
    };
    (report.rows_read, report.bytes_read) = (tally.rows(), tally.bytes());
    outcome
}

fn mode_name(args: &Args) -> &'static str {
    match (args.mode, &args.replace_where) {
        (Some(Mode::Overwrite), _) => "overwrite",
        (Some(Mode::ErrorIfExists), _) => "error_if_exists",
        (_, Some(_)) => "replace_where",
        _ if !args.replace_using.is_empty() => "replace_using",
        _ if !args.merge_on.is_empty() => "merge",
        _ => "append",
    }
}

async fn columns_of(delta: &DeltaClient, table: &TableName) -> Result<Option<TableSchema>, Failure> {
    match delta.table_schema(table).await {
        Ok(schema) => Ok(Some(schema)),
        Err(DeltaError::TableNotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A table that is there keeps its partitions: to be asked for others and say nothing would be a lie.
async fn check_partitions(
    delta: &DeltaClient,
    args: &Args,
    table: &TableName,
    is_there: bool,
) -> Result<(), Failure> {
    if args.partition_by.is_empty() || !is_there {
        return Ok(());
    }
    let has = delta.detail(table).await?.partition_columns;
    let wanted = &args.partition_by;
    if has.len() == wanted.len() && has.iter().zip(wanted).all(|(a, b)| a.to_lowercase() == b.to_lowercase())
    {
        return Ok(());
    }
    let has = if has.is_empty() { "no column".to_owned() } else { has.join(", ") };
    Err(Failure::Table(format!(
        "table {} is there and partitioned by {has}, not by {}: leave --partition-by out, or load into a new table",
        table.full_name(),
        wanted.join(", ")
    )))
}

fn check_partition_columns(args: &Args, dataset: &Dataset) -> Result<(), Failure> {
    let schema = dataset.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let is_there = |wanted: &&String| names.iter().any(|name| name.to_lowercase() == wanted.to_lowercase());
    match args.partition_by.iter().find(|wanted| !is_there(wanted)) {
        None => Ok(()),
        Some(wanted) => Err(Failure::Table(format!(
            "--partition-by {wanted}: the files have no such column; theirs are {}",
            names.join(", ")
        ))),
    }
}

/// Looks at the files, away from the runtime's own threads.
async fn open(args: &Args, table: Option<&TableSchema>) -> Result<Dataset, Failure> {
    let reading = Reading {
        format: args.format,
        delimiter: args.delimiter,
        has_header: !args.no_header,
        null: args.null.clone(),
        sample: args.sample,
        unites: args.schema == Schema::Evolve,
        given: args.columns.clone(),
        table: table.cloned(),
    };
    let path = args.path.clone();
    let opened: Result<Result<Dataset, SourceError>, _> =
        tokio::task::spawn_blocking(move || Dataset::open(&path, reading)).await;
    Ok(opened.map_err(|error| Failure::Reader(format!("looking at the files failed: {error}")))??)
}

async fn write(
    delta: &DeltaClient,
    args: &Args,
    table: &TableName,
    batches: Batches,
    (bar, tally): (&Bar, &Arc<Tally>),
    report: &mut Report,
) -> Result<(), Failure> {
    let options = creating(args).progress(bar.follow(Arc::clone(tally)));
    report.written(prepare(delta, table, batches, options).send().await?);
    Ok(())
}

/// Reads and checks all that a load would write. A merge is looked at as an append to the table, which must be there.
async fn dry_run(
    delta: &DeltaClient,
    args: &Args,
    table: &TableName,
    batches: Batches,
    report: &mut Report,
) -> Result<(), Failure> {
    let is_merge = !args.merge_on.is_empty();
    let options = if is_merge { options(args) } else { creating(args) };
    let planned = prepare(delta, table, batches, options).dry_run().await?;
    if planned.rows > 0 && !planned.would_write && !planned.already_applied {
        return Err(Failure::Table(format!("{}: {}", table.full_name(), planned.warnings.join("; "))));
    }
    report.planned(planned, is_merge);
    Ok(())
}

fn prepare<'a>(delta: &DeltaClient, table: &TableName, batches: Batches, options: WriteOptions) -> Write<'a> {
    let schema = batches.schema();
    delta.write_batches(table, schema, batches.stream()).options(options)
}

/// A load into a table that is made when it is missing.
fn creating(args: &Args) -> WriteOptions {
    options(args).create_if_missing().partitioned_by(args.partition_by.iter().cloned())
}

fn options(args: &Args) -> WriteOptions {
    let options = WriteOptions::default()
        .mode(write_mode(args))
        .schema(match args.schema {
            Schema::Strict => SchemaMode::Strict,
            Schema::Evolve => SchemaMode::Evolve,
        })
        .batch_size(args.part_rows);
    match &args.key {
        Some(key) => options.idempotency_key(key),
        None => options,
    }
}

fn write_mode(args: &Args) -> WriteMode {
    match (args.mode, &args.replace_where) {
        (Some(Mode::Overwrite), _) => WriteMode::Overwrite,
        (Some(Mode::ErrorIfExists), _) => WriteMode::ErrorIfExists,
        (_, Some(condition)) => WriteMode::ReplaceWhere(condition.clone()),
        _ if !args.replace_using.is_empty() => WriteMode::ReplaceUsing(args.replace_using.clone()),
        _ => WriteMode::Append,
    }
}

async fn merge(
    delta: &DeltaClient,
    args: &Args,
    table: &TableName,
    batches: Batches,
    report: &mut Report,
) -> Result<(), Failure> {
    let schema = batches.schema();
    let mut merge = delta
        .merge(table)
        .using_batches(schema, batches.stream())
        .on_keys(&args.merge_on)
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .batch_size(args.part_rows);
    if args.schema == Schema::Evolve {
        merge = merge.with_schema_evolution();
    }
    if let Some(key) = &args.key {
        merge = merge.idempotency_key(key);
    }
    report.merged(merge.execute().await?);
    Ok(())
}
