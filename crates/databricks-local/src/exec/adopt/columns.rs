//! What a plan puts into each of its columns, followed down to the files: a column of theirs as it is, or NULL.

use datafusion::logical_expr::{Expr, LogicalPlan};

/// Where the values of a column come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filling {
    /// The files' column of this name, unchanged.
    Column(String),
    /// Nothing: NULL in each row.
    Null,
}

/// The fillings of all columns; none where one of them is worked out, or where rows are left out or made.
pub(super) fn fillings(plan: &LogicalPlan) -> Option<Vec<Filling>> {
    (0..plan.schema().fields().len()).map(|column| filling(plan, column)).collect()
}

#[recursive::recursive]
fn filling(plan: &LogicalPlan, column: usize) -> Option<Filling> {
    match plan {
        LogicalPlan::Projection(projection) => {
            match projection.expr.get(column)?.clone().unalias_nested().data {
                Expr::Column(name) => {
                    filling(&projection.input, projection.input.schema().maybe_index_of_column(&name)?)
                }
                Expr::Literal(value, _) if value.is_null() => {
                    // The rows are still those of the files.
                    is_plain(&projection.input).then_some(Filling::Null)
                }
                _ => None,
            }
        }
        LogicalPlan::SubqueryAlias(alias) => filling(&alias.input, column),
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
            Some(Filling::Column(scan.projected_schema.fields().get(column)?.name().clone()))
        }
        _ => None,
    }
}

/// Whether the plan has one row for each row of the files.
#[recursive::recursive]
fn is_plain(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_plain(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_plain(&alias.input),
        LogicalPlan::TableScan(scan) => scan.filters.is_empty() && scan.fetch.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::common::ScalarValue;
    use datafusion::datasource::empty::EmptyTable;
    use datafusion::datasource::provider_as_source;
    use datafusion::functions_aggregate::expr_fn::count;
    use datafusion::logical_expr::{LogicalPlanBuilder, cast, col, lit};

    use super::*;

    fn scan() -> LogicalPlanBuilder {
        let schema =
            Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)]);
        let table = provider_as_source(Arc::new(EmptyTable::new(Arc::new(schema))));
        LogicalPlanBuilder::scan("files", table, None).unwrap()
    }

    fn of(plan: LogicalPlanBuilder) -> Option<Vec<Filling>> {
        fillings(&plan.build().unwrap())
    }

    #[test]
    fn columns_are_followed_under_other_names() {
        let plan = scan()
            .project([col("b").alias("x"), col("a").alias("b"), lit(ScalarValue::Int64(None)).alias("n")])
            .and_then(|plan| plan.alias("q"))
            .and_then(|plan| plan.project([col("n"), col("b").alias("y").alias("z"), col("x")]))
            .unwrap();
        let column = |name: &str| Filling::Column(name.to_owned());
        assert_eq!(of(plan), Some(vec![Filling::Null, column("a"), column("b")]));
    }

    #[test]
    fn what_is_worked_out_or_left_out_is_no_filling() {
        let null = || lit(ScalarValue::Int64(None)).alias("n");
        for plan in [
            scan().project([cast(col("a"), DataType::Int32)]),
            scan().project([col("a") + lit(1)]),
            scan().project([lit(1)]),
            scan().filter(col("a").gt(lit(1))),
            scan().limit(0, Some(1)).and_then(|plan| plan.project([null()])),
            scan().distinct(),
            scan().aggregate(Vec::<Expr>::new(), [count(col("a"))]).and_then(|plan| plan.project([null()])),
            scan().sort([col("a").sort(true, true)]),
        ] {
            let plan = plan.unwrap();
            let shown = format!("{:?}", plan.clone().build().unwrap());
            assert_eq!(of(plan), None, "{shown}");
        }
    }
}
