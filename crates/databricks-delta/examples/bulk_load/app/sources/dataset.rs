//! The files of a load: found and looked at, with the columns of all of them.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use databricks_schema::{SchemaError, TableSchema};

use super::super::args::Format;
use super::super::bar::Bar;
use super::columns::{Column, Origin, Plan};
use super::csv::{self, CsvOptions};
use super::error::SourceError;
use super::reader::{self, Batches, Tally};
use super::unite::{self, Known, Looked};
use super::walk::{self, Found};
use super::{json, parquet};

/// What the user and the table say about the files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    /// How all files are read; by their names where it is not said.
    pub(crate) format: Option<Format>,
    pub(crate) delimiter: Option<u8>,
    pub(crate) has_header: bool,
    pub(crate) null: Option<String>,
    /// Rows of each file that decide on names and types.
    pub(crate) sample: u64,
    /// Whether files may have different columns.
    pub(crate) unites: bool,
    /// The columns' types as the user says them.
    pub(crate) given: Option<TableSchema>,
    /// The table's columns, where there is a table.
    pub(crate) table: Option<TableSchema>,
}

/// A file, and how it fills the columns.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: Found,
    names: Vec<String>,
    origins: Vec<Origin>,
}

/// All files.
#[derive(Debug)]
pub(crate) struct Dataset {
    pub(crate) sources: Vec<Source>,
    pub(crate) columns: Vec<Column>,
    pub(crate) csv: CsvOptions,
    schema: SchemaRef,
    tally: Arc<Tally>,
}

impl Dataset {
    /// Finds the files and looks at all of them.
    pub(crate) fn open(path: &Path, reading: Reading) -> Result<Self, SourceError> {
        let given = reading.given.as_ref();
        let names = given.map(|schema| schema.columns.iter().map(|column| column.name.clone()).collect());
        let csv = CsvOptions {
            delimiter: reading.delimiter,
            names,
            has_header: reading.has_header,
            null: reading.null.clone(),
        };
        let mut looked = Vec::new();
        for file in walk::files(path, reading.format)? {
            let shape = match file.format {
                Format::Csv => csv::look(&file, &csv, reading.sample)?,
                Format::Json => json::look(&file, reading.sample)?,
                Format::Parquet => parquet::look(&file)?,
            };
            looked.push(Looked { file, shape });
        }
        if !reading.unites {
            unite::check_same(&looked)?;
        }
        let columns = unite::unite(&looked, &Known { given, table: reading.table.as_ref() })?;
        check_given(path, given, &columns)?;
        let source = |looked: Looked| {
            let (names, origins) = (looked.names(), looked.origins(&columns));
            Source { file: looked.file, names, origins }
        };
        let sources = looked.into_iter().map(source).collect();
        let field = |column: &Column| Field::new(&column.name, column.arrow.clone(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        Ok(Self { sources, columns, csv, schema, tally: Arc::default() })
    }

    pub(crate) fn files(&self) -> usize {
        self.sources.len()
    }

    /// What all files take on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.sources.iter().map(|source| source.file.size).sum()
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The columns as a table would have them.
    pub(crate) fn columns(&self) -> Result<TableSchema, SourceError> {
        let unusable = |error: SchemaError| SourceError::unusable("the files", error.to_string());
        TableSchema::from_arrow(&self.schema).map_err(unusable)
    }

    /// The names of the columns that a table lacks: all, where there is none.
    pub(crate) fn columns_beyond(&self, table: Option<&TableSchema>) -> Vec<String> {
        let is_there = |name: &str| table.is_some_and(|table| table.column(name).is_some());
        let names = self.columns.iter().map(|column| column.name.clone());
        names.filter(|name| !is_there(name)).collect()
    }

    /// Counts what is read.
    pub(crate) fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Reads all files, one after the other, in a thread of their own.
    pub(crate) fn read(self, bar: Bar) -> Batches {
        reader::start(self, bar)
    }

    pub(crate) fn plan<'a>(&'a self, source: &'a Source) -> Plan<'a> {
        Plan { schema: self.schema(), columns: &self.columns, origins: &source.origins, names: &source.names }
    }
}

/// A type for a column that no file has is a slip of the pen.
fn check_given(path: &Path, given: Option<&TableSchema>, columns: &[Column]) -> Result<(), SourceError> {
    let Some(given) = given.filter(|_| !columns.is_empty()) else { return Ok(()) };
    let has = |name: &str| columns.iter().any(|column| column.name.to_lowercase() == name.to_lowercase());
    match given.columns.iter().find(|column| !has(&column.name)) {
        None => Ok(()),
        Some(column) => {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let message =
                format!("--columns names `{}`, and the files' columns are {}", column.name, names.join(", "));
            Err(SourceError::unusable(&path.display().to_string(), message))
        }
    }
}
