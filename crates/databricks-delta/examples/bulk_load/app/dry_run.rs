//! A load that writes nothing: all files are read, all values are checked, and the upload's size is estimated.

use databricks_delta::DeltaError;
use databricks_schema::{TableName, TableSchema};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::args::{Args, Mode, Schema};
use super::failure::Failure;
use super::report::Report;
use super::sources::Batches;

/// Rows that are encoded to see how large they become.
const ENCODED_ROWS: u64 = 20_000;

/// Checks a load against the table; the first problem is an error.
pub(crate) async fn run(
    args: &Args,
    table: &TableName,
    there: Option<&TableSchema>,
    batches: Batches,
    report: &mut Report,
) -> Result<(), Failure> {
    let schema = batches.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    check_table(args, table, there, &names)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let encoding = |error: parquet::errors::ParquetError| Failure::Reader(error.to_string());
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(encoding)?;
    let (mut rows, mut encoded) = (0, 0);
    let mut stream = Box::pin(batches.stream());
    while let Some(batch) = stream.try_next().await? {
        rows += batch.num_rows() as u64;
        if encoded < ENCODED_ROWS {
            encoded += batch.num_rows() as u64;
            writer.write(&batch).map_err(encoding)?;
        }
    }
    let bytes = writer.into_inner().map_err(encoding)?.len() as u64;
    report.rows = rows;
    report.bytes_uploaded =
        if encoded == 0 { 0 } else { (u128::from(bytes) * u128::from(rows) / u128::from(encoded)) as u64 };
    report.parts = rows.div_ceil(args.part_rows as u64);
    Ok(())
}

fn check_table(
    args: &Args,
    table: &TableName,
    there: Option<&TableSchema>,
    names: &[&str],
) -> Result<(), Failure> {
    let Some(there) = there else {
        return match args.merge_on.is_empty() {
            true => Ok(()),
            false => Err(DeltaError::TableNotFound { table: table.full_name() }.into()),
        };
    };
    if args.mode == Some(Mode::ErrorIfExists) {
        return Err(DeltaError::TableExists { table: table.full_name() }.into());
    }
    if args.schema == Schema::Strict
        && let Some(unknown) = names.iter().find(|name| there.column(name).is_none())
    {
        let columns = there.columns.iter().map(|column| column.name.clone()).collect();
        let (column, table) = ((*unknown).to_owned(), table.full_name());
        return Err(DeltaError::UnknownColumn { column, table, columns }.into());
    }
    let is_given = |name: &str| names.iter().any(|given| given.to_lowercase() == name.to_lowercase());
    let needs = |column: &&databricks_schema::ColumnSchema| {
        !column.nullable && column.default.is_none() && column.generated.is_none() && !is_given(&column.name)
    };
    match there.columns.iter().find(needs) {
        Some(column) => Err(Failure::Table(format!(
            "column `{}` of table {} is NOT NULL, and the files do not have it: add it to the files",
            column.name,
            table.full_name()
        ))),
        None => Ok(()),
    }
}
