//! Table summaries: the names of all tables of a catalog, by patterns.

use serde_json::{Value, json};

use super::{failure, read};
use crate::api_error::Answer;
use crate::route::Call;

/// Summaries a page when the caller does not say, and at most, as documented.
const PAGE: usize = 10_000;

/// `GET /api/2.1/unity-catalog/table-summaries`.
pub(super) async fn list(call: &Call<'_>) -> Answer {
    let (store, query) = (&call.shared.catalog, &call.query);
    let catalog = query.required("catalog_name")?;
    let (schemas, tables) = (query.get("schema_name_pattern"), query.get("table_name_pattern"));
    let mut found = Vec::new();
    for schema in store.list_schemas(catalog).await.map_err(failure)? {
        let name = schema.get("name").and_then(Value::as_str).unwrap_or_default();
        if schemas.is_none_or(|pattern| like(pattern, name)) {
            let in_schema = store.list_tables(catalog, name).await.map_err(failure)?;
            found.extend(in_schema.into_iter().filter(|table| matches(table, tables)));
        }
    }
    let visible = found.into_iter().filter(|table| read::is_visible(call, "tables", table));
    let mut summaries: Vec<Value> = visible.map(|table| summary(&table)).collect();
    // Sorted as a whole: a page token is the name of the last summary.
    summaries.sort_by(|a, b| a["full_name"].as_str().cmp(&b["full_name"].as_str()));
    read::page(call, "tables", "full_name", summaries, PAGE)
}

fn matches(table: &Value, pattern: Option<&str>) -> bool {
    let name = table.get("name").and_then(Value::as_str).unwrap_or_default();
    pattern.is_none_or(|pattern| like(pattern, name))
}

fn summary(table: &Value) -> Value {
    json!({ "full_name": table["full_name"], "table_type": table["table_type"] })
}

/// SQL's LIKE (`%` any text, `_` one character), without regard to case as names are.
fn like(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    // The last `%` seen, and how much of the name it has taken: only the last one ever needs to take more.
    let (mut p, mut n, mut back) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('%') => {
                back = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '_' || name.get(n) == Some(&c) => (p, n) = (p + 1, n + 1),
            _ => match back {
                Some((star, taken)) => {
                    back = Some((star, taken + 1));
                    (p, n) = (star + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|&c| c == '%')
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_match_as_like_does() {
        let cases = [
            ("%", "", true),
            ("", "", true),
            ("", "a", false),
            ("a%", "ABC", true),
            ("_b_", "abc", true),
            ("_b", "abc", false),
            ("%b%c", "abbxc", true),
            ("%b%c", "abbxcd", false),
            ("o%s%s", "orders", false),
            ("o%r%s", "orders", true),
            ("a.c", "abc", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(like(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        assert!(!like(&"%a".repeat(2_000), &"a".repeat(1_999)));
    }
}
