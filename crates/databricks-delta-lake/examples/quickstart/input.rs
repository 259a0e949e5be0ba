//! Reading the input: a CSV file with a header line, or a Parquet file. Types of CSV columns are found from its values.

use std::{fs::File, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray},
    compute,
    datatypes::{DataType, Date32Type, Field, Schema},
};
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::Failure;

/// NOAA's daily weather in Seattle, 2012 to 2015; source and licence stand beside the file.
const SEATTLE: &str = include_str!("../data/seattle-weather.csv");

/// How many rows decide a CSV column's type. A later value that does not fit is an error that names its line.
const SAMPLE: usize = 1_000;

/// Reads the user's file, or Seattle's weather when there is none; also says what was read.
pub(crate) fn read(path: Option<&Path>) -> Result<(String, RecordBatch), Failure> {
    let Some(path) = path else {
        let name = "Seattle's weather (NOAA)".to_owned();
        let rows = read_csv("seattle-weather.csv", SEATTLE.as_bytes())?;
        return Ok((name, rows));
    };
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| Failure::new(format!("--input {name}: {error}")))?;
    let rows = match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => read_csv(&name, file)?,
        Some("parquet") => read_parquet(&name, file)?,
        _ => {
            return Err(Failure::new(format!(
                "--input {name}: the file's name must end in .csv or .parquet"
            )));
        }
    };
    Ok((name, rows))
}

fn read_parquet(name: &str, file: File) -> Result<RecordBatch, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("--input {name}: {error}"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(&error))?;
    let schema = builder.schema().clone();
    let reader = builder.build().map_err(|error| failed(&error))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
    compute::concat_batches(&schema, &batches).map_err(|error| failed(&error))
}

fn read_csv(name: &str, source: impl std::io::Read) -> Result<RecordBatch, Failure> {
    let failed = |error: csv::Error| Failure::new(format!("{name}: {error}"));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
    let header = reader.headers().map_err(failed)?.clone();
    let records = reader.records().collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut fields = Vec::with_capacity(header.len());
    let mut columns = Vec::with_capacity(header.len());
    for (index, column) in header.iter().enumerate() {
        let cells = Cells { file: name, column, index, records: &records };
        let array = cells.array()?;
        fields.push(Field::new(column, array.data_type().clone(), true));
        columns.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Whether a cell can be read as a type.
type Fits = fn(&str) -> bool;

/// One column of a CSV file. An empty cell is NULL.
struct Cells<'a> {
    file: &'a str,
    column: &'a str,
    index: usize,
    records: &'a [csv::StringRecord],
}

impl Cells<'_> {
    fn array(&self) -> Result<ArrayRef, Failure> {
        let array: ArrayRef = match self.data_type() {
            DataType::Int64 => Arc::new(Int64Array::from(self.parsed("a BIGINT", |cell| cell.parse().ok())?)),
            DataType::Float64 => {
                Arc::new(Float64Array::from(self.parsed("a DOUBLE", |cell| cell.parse().ok())?))
            }
            DataType::Boolean => {
                Arc::new(BooleanArray::from(self.parsed("a BOOLEAN", |cell| cell.parse().ok())?))
            }
            DataType::Date32 => Arc::new(Date32Array::from(
                self.parsed("a DATE", |cell| date(cell).map(Date32Type::from_naive_date))?,
            )),
            _ => Arc::new(StringArray::from_iter(self.values())),
        };
        Ok(array)
    }

    /// The narrowest type that all values of the sample fit.
    fn data_type(&self) -> DataType {
        let candidates: [(DataType, Fits); 4] = [
            (DataType::Int64, |cell| cell.parse::<i64>().is_ok()),
            (DataType::Float64, |cell| cell.parse::<f64>().is_ok()),
            (DataType::Boolean, |cell| cell.parse::<bool>().is_ok()),
            (DataType::Date32, |cell| date(cell).is_some()),
        ];
        let sample = || self.values().take(SAMPLE).flatten();
        if sample().next().is_none() {
            return DataType::Utf8;
        }
        let fits = candidates.into_iter().find(|(_, fits)| sample().all(fits));
        fits.map_or(DataType::Utf8, |(data_type, _)| data_type)
    }

    fn values(&self) -> impl Iterator<Item = Option<&str>> {
        self.records.iter().map(|record| record.get(self.index).filter(|cell| !cell.is_empty()))
    }

    fn parsed<T>(&self, wanted: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<Option<T>>, Failure> {
        let mut parsed = Vec::with_capacity(self.records.len());
        for (row, cell) in self.values().enumerate() {
            let value = cell.map(|cell| parse(cell).ok_or_else(|| self.misfit(row, cell, wanted)));
            parsed.push(value.transpose()?);
        }
        Ok(parsed)
    }

    fn misfit(&self, row: usize, cell: &str, wanted: &str) -> Failure {
        let position = self.records.get(row).and_then(csv::StringRecord::position);
        let line = position.map_or(0, csv::Position::line);
        Failure::new(format!(
            "{}, line {line}, column `{}`: `{cell}` is not {wanted}, as the values before it are",
            self.file, self.column
        ))
    }
}

fn date(cell: &str) -> Option<NaiveDate> {
    ["%Y-%m-%d", "%Y/%m/%d"].iter().find_map(|format| NaiveDate::parse_from_str(cell, format).ok())
}
