//! The columns of a result: SQL types as the server spells them, and the Arrow types they become.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, Schema, SchemaRef, TimeUnit};

use super::{arrays, conform};
use crate::wire::{self, ColumnInfo};
use crate::{Result, SqlError};

/// One column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: String,
    sql_type: String,
}

impl Column {
    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SQL type as the server spells it, such as `DECIMAL(10,2)` or `ARRAY<INT>`.
    pub fn sql_type(&self) -> &str {
        &self.sql_type
    }
}

/// What a warehouse names as the zone of a session that sets none. Text carries offsets and no zone, so it is also the
/// zone of what came as text: the same type as in a file, unless the session has a zone of its own; the instants are the
/// same in any case.
const DEFAULT_ZONE: &str = "Etc/UTC";

/// The columns of one result and their Arrow types.
#[derive(Debug)]
pub(crate) struct Layout {
    columns: Vec<Column>,
    /// `None` where the SQL type is unknown here: the column then stays as it comes.
    types: Vec<Option<DataType>>,
}

impl Layout {
    pub(crate) fn new(schema: &wire::Schema) -> Self {
        let mut infos: Vec<&ColumnInfo> = schema.columns.iter().collect();
        infos.sort_by_key(|info| info.position);
        let columns =
            infos.iter().map(|info| Column { name: info.name.clone(), sql_type: sql_type(info) }).collect();
        let types = infos.iter().map(|info| arrow_type(&sql_type(info))).collect();
        Self { columns, types }
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The schema of a result without rows: with rows, the first batch may name the session's time zone.
    pub(crate) fn schema(&self) -> SchemaRef {
        let types = self.types.iter().map(|known| known.clone().unwrap_or(DataType::Utf8));
        self.schema_of(types)
    }

    fn schema_of(&self, types: impl Iterator<Item = DataType>) -> SchemaRef {
        let fields =
            self.columns.iter().zip(types).map(|(column, kind)| Field::new(&column.name, kind, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Rows of JSON text as one batch.
    pub(crate) fn decode_json(&self, rows: &[Vec<Option<String>>]) -> Result<RecordBatch> {
        if let Some(short) = rows.iter().position(|row| row.len() != self.columns.len()) {
            let cells = rows.get(short).map(Vec::len).unwrap_or_default();
            return Err(self.wrong_width(&format!("row {short} of the chunk"), cells));
        }
        let column = |index: usize, (column, kind): (&Column, &Option<DataType>)| {
            let cells: Vec<Option<&str>> =
                rows.iter().map(|row| row.get(index).and_then(Option::as_deref)).collect();
            arrays::from_text(kind.as_ref().unwrap_or(&DataType::Utf8), &cells, &column.sql_type)
                .map_err(|error| column_error(column, &error))
        };
        let arrays = self.columns.iter().zip(&self.types).enumerate().map(|(i, pair)| column(i, pair));
        self.batch(arrays.collect::<Result<_>>()?, rows.len())
    }

    /// A batch from the server with the types that this layout names.
    pub(crate) fn conform(&self, batch: RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.columns.len() {
            return Err(self.wrong_width("an Arrow batch", batch.num_columns()));
        }
        let arrays =
            self.columns.iter().zip(&self.types).zip(batch.columns()).map(|((column, kind), array)| {
                let Some(kind) = kind else { return Ok(Arc::clone(array)) };
                conform::conform(array, kind, &column.sql_type).map_err(|error| column_error(column, &error))
            });
        self.batch(arrays.collect::<Result<_>>()?, batch.num_rows())
    }

    fn batch(&self, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let schema = self.schema_of(arrays.iter().map(|array| array.data_type().clone()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|error| SqlError::decode(format!("the columns do not make a batch: {error}")))
    }

    fn wrong_width(&self, what: &str, cells: usize) -> SqlError {
        SqlError::decode(format!("{what} has {cells} columns, the result has {}", self.columns.len()))
    }
}

fn column_error(column: &Column, error: &str) -> SqlError {
    SqlError::decode(format!("column `{}` ({}): {error}", column.name, column.sql_type))
}

/// `type_text` is exact; old answers may lack it, and name intervals and a DECIMAL's digits apart.
fn sql_type(info: &ColumnInfo) -> String {
    let text = info.type_text.as_deref().or(info.type_name.as_deref()).unwrap_or("STRING");
    match (text, info.type_interval_type.as_deref()) {
        ("INTERVAL", Some(fields)) => format!("INTERVAL {}", fields.trim_start_matches("INTERVAL ")),
        ("DECIMAL", _) => match (info.type_precision, info.type_scale) {
            (Some(precision), scale) => format!("DECIMAL({precision},{})", scale.unwrap_or_default()),
            (None, _) => text.to_owned(),
        },
        ("BYTE", _) => "TINYINT".to_owned(),
        ("SHORT", _) => "SMALLINT".to_owned(),
        ("LONG", _) => "BIGINT".to_owned(),
        ("NULL", _) => "VOID".to_owned(),
        _ => text.to_owned(),
    }
}

/// The Arrow type of a SQL type. Intervals and the types that travel as text are as the warehouse sends them.
fn arrow_type(sql_type: &str) -> Option<DataType> {
    let head = sql_type.split(['(', ' ', '<']).next().unwrap_or_default().to_ascii_uppercase();
    match head.as_str() {
        "INTERVAL" if sql_type.contains("YEAR") || sql_type.contains("MONTH") => {
            Some(DataType::Interval(IntervalUnit::YearMonth))
        }
        "INTERVAL" => Some(DataType::Duration(TimeUnit::Microsecond)),
        "VARIANT" | "GEOMETRY" | "GEOGRAPHY" | "STRING" | "CHAR" | "VARCHAR" => Some(DataType::Utf8),
        _ => {
            let parsed = databricks_schema::DataType::parse(sql_type).ok()?;
            databricks_schema::arrow::to_arrow(&parsed).ok().map(with_default_zone)
        }
    }
}

/// The type as a warehouse writes it, whose instants have a zone.
fn with_default_zone(kind: DataType) -> DataType {
    let inner = |field: &FieldRef| {
        let kind = with_default_zone(field.data_type().clone());
        Arc::new(field.as_ref().clone().with_data_type(kind))
    };
    match kind {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(unit, Some(DEFAULT_ZONE.into())),
        DataType::List(item) => DataType::List(inner(&item)),
        DataType::Map(entries, sorted) => DataType::Map(inner(&entries), sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other,
    }
}
