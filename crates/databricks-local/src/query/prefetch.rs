//! Tables and files of a statement, fetched before planning: planning itself does no I/O.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, ObjectName, Query, SetExpr, TableFactor,
    TableFunctionArgs, TableVersion as Syntax, Visit, Visitor,
};

use super::planner::Planner;
use super::{Parameters, TableSource, TableVersion};
use crate::error::{LocalError, Result};
use crate::parse;

/// What a statement reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Table(Vec<String>, Option<TableVersion>),
    Files(String, String, Vec<(String, String)>),
    Changes(Vec<String>, TableVersion, Option<TableVersion>),
}

/// Providers by name, version and path; what could not be found is an error only when it is used.
#[derive(Default)]
pub(super) struct Prefetched {
    found: HashMap<Key, Result<Arc<dyn TableProvider>>>,
}

/// Collects the relations of a syntax tree.
#[derive(Default)]
struct Collector(Vec<TableFactor>);

impl Visitor for Collector {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if matches!(factor, TableFactor::Table { .. }) {
            self.0.push(factor.clone());
        }
        ControlFlow::Continue(())
    }
}

impl Prefetched {
    pub(super) async fn of_query(
        source: &dyn TableSource,
        query: &Query,
        parameters: &Parameters,
    ) -> Result<Self> {
        Self::of(source, query, parameters).await
    }

    pub(super) async fn of_expr(
        source: &dyn TableSource,
        expr: &Expr,
        parameters: &Parameters,
    ) -> Result<Self> {
        Self::of(source, expr, parameters).await
    }

    async fn of(source: &dyn TableSource, tree: &impl Visit, parameters: &Parameters) -> Result<Self> {
        let mut collector = Collector::default();
        let _ = tree.visit(&mut collector);
        let mut all = Self::default();
        for factor in &collector.0 {
            let Some(key) = key_of(factor, parameters)? else { continue };
            if all.found.contains_key(&key) {
                continue;
            }
            let provider = match &key {
                Key::Table(name, at) => source.table(name, at.clone()).await,
                Key::Files(path, format, options) => source.files(path, format, options).await,
                Key::Changes(name, from, to) => source.changes(name, from.clone(), to.clone()).await,
            };
            all.found.insert(key, provider);
        }
        Ok(all)
    }

    /// Lets the query's one FROM item mean these files.
    pub(super) fn provide(&mut self, query: &Query, files: Arc<dyn TableProvider>) {
        let SetExpr::Select(select) = query.body.as_ref() else { return };
        if let Some(TableFactor::Table { name, .. }) = select.from.first().map(|from| &from.relation)
            && let Ok(name) = parts(name)
        {
            self.found.insert(Key::Table(name, None), Ok(files));
        }
    }

    /// The provider of a relation.
    pub(super) fn get(
        &self,
        factor: &TableFactor,
        parameters: &Parameters,
    ) -> Result<Arc<dyn TableProvider>> {
        let key = key_of(factor, parameters)?;
        match key.as_ref().and_then(|key| self.found.get(key)) {
            Some(found) => found.clone(),
            None => Err(LocalError::unsupported_feature(format!("the relation {factor}"))),
        }
    }
}

fn key_of(factor: &TableFactor, parameters: &Parameters) -> Result<Option<Key>> {
    let TableFactor::Table { name, args, version, .. } = factor else { return Ok(None) };
    match args {
        None => Ok(Some(Key::Table(parts(name)?, at(version.as_ref(), parameters)?))),
        Some(args) => function_key(name, args, parameters).map(Some),
    }
}

/// The parts of a name, as written.
pub(super) fn parts(name: &ObjectName) -> Result<Vec<String>> {
    name.0
        .iter()
        .map(|part| part.as_ident().map(|i| i.value.clone()))
        .collect::<Option<_>>()
        .ok_or_else(|| LocalError::unsupported_feature(format!("the name {name}")))
}

fn at(version: Option<&Syntax>, parameters: &Parameters) -> Result<Option<TableVersion>> {
    let none = Prefetched::default();
    let mut planner = Planner::new(&none, parameters);
    match version {
        None => Ok(None),
        Some(Syntax::VersionAsOf(expr)) => Ok(Some(TableVersion::Version(planner.version(expr)?))),
        Some(Syntax::TimestampAsOf(expr) | Syntax::ForSystemTimeAsOf(expr)) => {
            Ok(Some(TableVersion::Timestamp(planner.instant(expr)?)))
        }
        Some(other @ (Syntax::Function(_) | Syntax::Changes { .. })) => {
            Err(LocalError::unsupported_feature(format!("the table version {other}")))
        }
    }
}

fn function_key(name: &ObjectName, args: &TableFunctionArgs, parameters: &Parameters) -> Result<Key> {
    let function = parts(name)?.join(".").to_lowercase();
    if args.settings.is_some() {
        return Err(LocalError::unsupported_feature(format!("SETTINGS of {function}")));
    }
    match function.as_str() {
        "read_files" => files_key(args, parameters),
        "table_changes" => changes_key(args, parameters),
        _ => Err(LocalError::unsupported_feature(format!("the table function {function}"))),
    }
}

/// `table_changes('name', from [, to])`: versions as numbers, instants as text or timestamps.
fn changes_key(args: &TableFunctionArgs, parameters: &Parameters) -> Result<Key> {
    let mut values = Vec::with_capacity(args.args.len());
    for arg in &args.args {
        match arg {
            FunctionArg::Unnamed(value @ FunctionArgExpr::Expr(expr)) => values.push((value, expr)),
            other => {
                return Err(LocalError::unsupported_feature(format!(
                    "the argument {other} of table_changes"
                )));
            }
        }
    }
    let ([(name, _), bounds @ ..], 2..=3) = (values.as_slice(), values.len()) else {
        let message = format!(
            "The `table_changes` requires 2 or 3 parameters but the actual number is {}.",
            values.len()
        );
        return Err(LocalError::new("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", message));
    };
    let name = parse::name(&text(name, parameters)?)?;
    let mut bounds = bounds.iter().map(|(_, expr)| bound(expr, parameters));
    let missing = || LocalError::internal("a bound of table_changes is gone");
    let from = bounds.next().ok_or_else(missing)??;
    Ok(Key::Changes(name, from, bounds.next().transpose()?))
}

/// A version by its number, an instant by its text.
fn bound(expr: &Expr, parameters: &Parameters) -> Result<TableVersion> {
    let none = Prefetched::default();
    let mut planner = Planner::new(&none, parameters);
    match planner.is_number(expr)? {
        true => planner.version(expr).map(TableVersion::Version),
        false => planner.instant(expr).map(TableVersion::Timestamp),
    }
}

/// `read_files('path', format => 'parquet', option => value, ..)`.
fn files_key(args: &TableFunctionArgs, parameters: &Parameters) -> Result<Key> {
    let (mut path, mut format, mut options) = (None, None, Vec::new());
    for arg in &args.args {
        match arg {
            FunctionArg::Unnamed(value) if path.is_none() => path = Some(text(value, parameters)?),
            FunctionArg::Named { name, arg, operator: FunctionArgOperator::RightArrow } => {
                let value = text(arg, parameters)?;
                match name.value.to_ascii_lowercase().as_str() {
                    "format" => format = Some(value.to_ascii_lowercase()),
                    _ => options.push((name.value.clone(), value)),
                }
            }
            other => {
                return Err(LocalError::unsupported_feature(format!("the argument {other} of read_files")));
            }
        }
    }
    let missing = |what: &str| LocalError::unsupported_feature(format!("read_files without {what}"));
    Ok(Key::Files(
        path.ok_or_else(|| missing("a path"))?,
        format.ok_or_else(|| missing("a format"))?,
        options,
    ))
}

/// A constant argument as text.
fn text(arg: &FunctionArgExpr, parameters: &Parameters) -> Result<String> {
    let FunctionArgExpr::Expr(expr) = arg else {
        return Err(LocalError::unsupported_feature(format!("the argument {arg} of read_files")));
    };
    let none = Prefetched::default();
    let value =
        Planner::new(&none, parameters).constant(expr, &arrow::datatypes::DataType::Utf8, "an argument")?;
    Ok(value.try_as_str().flatten().unwrap_or_default().to_owned())
}
