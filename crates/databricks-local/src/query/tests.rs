//! Queries run on tables in memory: what they answer, with types, and which error they end in.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Fields, Int32Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use databricks_testkit::Parameter;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use futures::future::BoxFuture;

use super::{Parameters, TableSource, TableVersion, plan_query, session, types};
use crate::error::{LocalError, Result};
use crate::parse::{Command, parse};

struct Tables;

impl TableSource for Tables {
    fn table<'a>(
        &'a self,
        name: &'a [String],
        at: Option<TableVersion>,
    ) -> BoxFuture<'a, Result<Arc<dyn TableProvider>>> {
        Box::pin(async move {
            let last = name.last().map(|n| n.to_lowercase()).unwrap_or_default();
            match (last.as_str(), at) {
                ("t", None) => Ok(table(t())),
                ("t", Some(TableVersion::Version(0))) => Ok(table(t().slice(0, 1))),
                ("t", Some(TableVersion::Timestamp(at))) if at.timestamp() == 1_704_067_200 => {
                    Ok(table(t().slice(0, 2)))
                }
                ("s", None) => Ok(table(s())),
                ("n", None) => Ok(table(n())),
                _ => Err(LocalError::table_not_found(name.join("."))),
            }
        })
    }

    fn changes<'a>(
        &'a self,
        name: &'a [String],
        _: TableVersion,
        _: Option<TableVersion>,
    ) -> BoxFuture<'a, Result<Arc<dyn TableProvider>>> {
        Box::pin(async move { Err(LocalError::table_not_found(name.join("."))) })
    }

    fn files<'a>(
        &'a self,
        path: &'a str,
        format: &'a str,
        options: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Arc<dyn TableProvider>>> {
        Box::pin(async move {
            assert_eq!((path, format, options), ("/Volumes/c/s/v/", "parquet", &[][..]));
            Ok(table(s()))
        })
    }
}

fn table(batch: RecordBatch) -> Arc<dyn TableProvider> {
    Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

/// Id 1, 2, 3 and a row of NULLs.
fn t() -> RecordBatch {
    let price =
        Decimal128Array::from(vec![Some(1050), Some(-225), Some(0), None]).with_precision_and_scale(10, 2);
    let at = TimestampMicrosecondArray::from(vec![Some(1_709_214_896_789_000), Some(0), Some(-1), None]);
    batch(vec![
        ("Id", Arc::new(Int32Array::from(vec![Some(1), Some(2), Some(3), None]))),
        ("name", Arc::new(StringArray::from(vec![Some("Ann"), Some("bob"), Some("Cy d"), None]))),
        ("amount", Arc::new(Float64Array::from(vec![Some(1.5), Some(2.5), Some(-0.0), None]))),
        ("price", Arc::new(price.unwrap())),
        ("day", Arc::new(Date32Array::from(vec![Some(19_782), Some(0), Some(-1), None]))),
        ("at", Arc::new(at.with_timezone("UTC"))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), Some(false), Some(true), None]))),
        ("big", Arc::new(Int64Array::from(vec![Some(i64::MAX), Some(1), Some(0), None]))),
    ])
}

fn s() -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int32Array::from(vec![Some(1), Some(1), Some(3), Some(9)]))),
        ("label", Arc::new(StringArray::from(vec!["x", "y", "z", "w"]))),
    ])
}

/// Nested values.
fn n() -> RecordBatch {
    let list =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(10), Some(20)]), Some(vec![])]);
    let fields = Fields::from(vec![Field::new("X", DataType::Int32, true)]);
    let inner: ArrayRef = Arc::new(Int32Array::from(vec![5, 6]));
    batch(vec![("arr", Arc::new(list)), ("st", Arc::new(StructArray::new(fields, vec![inner], None)))])
}

async fn run(sql: &str, parameters: &Parameters) -> Result<(Vec<String>, String)> {
    let Command::Query(query) = parse(sql)? else { panic!("no query: {sql}") };
    let plan = plan_query(&Tables, &query, parameters).await?;
    let names = plan.schema().fields().iter().map(|f| f.name().clone()).collect();
    let frame = session().execute_logical_plan(plan).await?;
    let types: Vec<_> = frame.schema().fields().iter().map(|f| types::name(f.data_type())).collect();
    let batches = frame.collect().await?;
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in &batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join(","));
        }
    }
    Ok((names, format!("{}: {}", types.join(","), rows.join("; "))))
}

/// Runs each statement and compares its answer, or its error class.
async fn check(rows: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (sql, expected) in rows {
        let actual = match run(sql, &Parameters::default()).await {
            Ok((_, text)) => text,
            Err(error) => format!("[{}] {}", error.class(), error.sql_state()),
        };
        if actual != *expected {
            wrong.push(format!("{sql}\n  expected {expected}\n  actual   {actual}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

mod aggregates;
mod depth;
mod expressions;
mod functions;
mod interface;
mod queries;
mod refusals;
