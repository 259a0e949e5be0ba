//! OPTIMIZE, VACUUM and RESTORE.

use std::fmt::Write;

use databricks_schema::{TableName, quote};

use super::read::AsOf;

pub(crate) fn optimize(table: &TableName, full: bool, filter: Option<&str>, zorder: &[String]) -> String {
    let mut sql = format!("OPTIMIZE {table}{}", if full { " FULL" } else { "" });
    if let Some(filter) = filter {
        let _ = write!(sql, "\nWHERE {filter}");
    }
    if !zorder.is_empty() {
        let _ = write!(sql, "\nZORDER BY ({})", quote::column_list(zorder));
    }
    sql
}

pub(crate) fn vacuum(table: &TableName, lite: bool, retain_hours: Option<u64>, dry_run: bool) -> String {
    let mut sql = format!("VACUUM {table}{}", if lite { " LITE" } else { "" });
    if let Some(hours) = retain_hours {
        let _ = write!(sql, " RETAIN {hours} HOURS");
    }
    if dry_run {
        sql.push_str(" DRY RUN");
    }
    sql
}

pub(crate) fn restore(table: &TableName, to: AsOf) -> String {
    format!("RESTORE TABLE {table} TO {}", to.to_sql())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table() -> TableName {
        TableName::new("main", "weather", "da`ys").unwrap()
    }

    #[test]
    fn optimize_in_every_form() {
        let zorder = ["date".to_owned(), "wind`speed".to_owned()];
        insta::assert_snapshot!(
            [
                optimize(&table(), false, None, &[]),
                optimize(&table(), true, None, &[]),
                optimize(&table(), false, Some("year = 2026 -- this year"), &[]),
                optimize(&table(), false, None, &zorder),
                optimize(&table(), false, Some("year = 2026 -- this year"), &zorder),
            ]
            .join("\n;\n")
        );
    }

    #[test]
    fn vacuum_in_every_form() {
        insta::assert_snapshot!(
            [
                vacuum(&table(), false, None, false),
                vacuum(&table(), false, Some(168), false),
                vacuum(&table(), false, None, true),
                vacuum(&table(), false, Some(240), true),
                vacuum(&table(), true, Some(168), true),
            ]
            .join("\n;\n")
        );
    }

    #[test]
    fn restore_by_version_and_by_time() {
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        insta::assert_snapshot!(
            [restore(&table(), AsOf::Version(7)), restore(&table(), AsOf::Timestamp(at))].join("\n;\n")
        );
    }
}
