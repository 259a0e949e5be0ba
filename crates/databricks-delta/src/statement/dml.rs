//! DELETE and UPDATE.

use std::fmt::Write;

use databricks_schema::{TableName, quote};

pub(crate) fn delete(table: &TableName, condition: Option<&str>) -> String {
    let mut sql = format!("DELETE FROM {table}");
    restrict(&mut sql, condition);
    sql
}

pub(crate) fn update(table: &TableName, assignments: &[(String, String)], condition: Option<&str>) -> String {
    let assignments: Vec<String> = assignments
        .iter()
        .map(|(column, value)| format!("{} = {value}\n", quote::identifier(column)))
        .collect();
    let mut sql = format!("UPDATE {table} SET {}", assignments.join(", "));
    sql.truncate(sql.trim_end().len());
    restrict(&mut sql, condition);
    sql
}

fn restrict(sql: &mut String, condition: Option<&str>) {
    if let Some(condition) = condition {
        let _ = write!(sql, "\nWHERE {condition}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_are_deleted_and_updated_by_condition_or_all() {
        let table = TableName::new("main", "weather", "da`ys").unwrap();
        let set =
            [("wi`nd".to_owned(), "wind * 2 -- twice".to_owned()), ("note".to_owned(), ":note".to_owned())];
        insta::assert_snapshot!(
            [
                delete(&table, None),
                delete(&table, Some("day < :day -- old")),
                update(&table, &set[..1], None),
                update(&table, &set, Some("day = :day")),
            ]
            .join("\n;\n")
        );
    }
}
