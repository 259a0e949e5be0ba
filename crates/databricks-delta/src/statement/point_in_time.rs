//! Labels with the features that held at their time.

use databricks_schema::{DataType, TableName, quote};

/// A column of the labels, and the feature table's of the same meaning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'a> {
    pub(crate) label: &'a str,
    pub(crate) key: &'a str,
}

/// What is read of a feature table, and for what.
#[derive(Debug)]
pub(crate) struct Read<'a> {
    /// A table's name, or a query between parentheses.
    pub(crate) labels: &'a str,
    pub(crate) table: &'a TableName,
    pub(crate) features: &'a [&'a str],
    /// The key without its time.
    pub(crate) keys: &'a [Pair<'a>],
    /// The columns of time and the type of the key's; without one the features hold at any time.
    pub(crate) time: Option<(Pair<'a>, DataType)>,
}

/// Each label once, with the newest features that are not newer than itself; NULLs where there are none.
pub(crate) fn point_in_time(read: &Read<'_>) -> String {
    let Read { labels, table, features, keys: pairs, time } = read;
    let features = features.iter().map(|name| format!("feature.{}", quote::identifier(name)));
    let list = ["label.*".to_owned()].into_iter().chain(features).collect::<Vec<_>>().join(", ");
    let Some((time, data_type)) = time else {
        let on = conjunction(pairs.iter().map(|pair| same("label", pair.label, "feature", pair.key)));
        return format!("SELECT {list}\nFROM {labels} AS label\nLEFT JOIN {table} AS feature\nON {on}");
    };
    let moments = moments(read, time, data_type);
    let keys: Vec<_> =
        pairs.iter().enumerate().map(|(number, pair)| (key(number), pair.label, pair.key)).collect();
    let label_time = format!("CAST(label.{} AS {data_type}) = moment.`__at`", quote::identifier(time.label));
    let of_label = keys.iter().map(|(key, label, _)| same("label", label, "moment", key));
    let of_feature = keys.iter().map(|(key, _, column)| same("moment", key, "feature", column));
    let feature_time = same("moment", "__ts", "feature", time.key);
    format!(
        "SELECT {list}\nFROM {labels} AS label\nLEFT JOIN (\n{moments}\n) AS moment\nON {}\nLEFT JOIN {table} AS feature\nON {}",
        conjunction(of_label.chain([label_time])),
        conjunction(of_feature.chain([feature_time])),
    )
}

/// For each key and time of a label or a feature the time of the newest feature by then: a running maximum over both, so
/// that no label meets all earlier features.
fn moments(read: &Read<'_>, time: &Pair<'_>, data_type: &DataType) -> String {
    let Read { labels, table, keys: pairs, .. } = read;
    let keys: Vec<String> = (0..pairs.len()).map(|number| quote::identifier(&key(number))).collect();
    let named = |side: &str, column: fn(&Pair<'_>) -> String| {
        let columns = pairs.iter().zip(&keys);
        columns.map(|(pair, key)| format!("{side}.{} AS {key}, ", column(pair))).collect::<String>()
    };
    let (label_keys, feature_keys) = (
        named("label", |pair| quote::identifier(pair.label)),
        named("feature", |pair| quote::identifier(pair.key)),
    );
    let (label_time, feature_time) = (quote::identifier(time.label), quote::identifier(time.key));
    let partition =
        if keys.is_empty() { String::new() } else { format!("PARTITION BY {} ", keys.join(", ")) };
    let listed: String = keys.iter().map(|key| format!("{key}, ")).collect();
    format!(
        "SELECT DISTINCT {listed}`__at`, max(`__ts`) OVER ({partition}ORDER BY `__at`) AS `__ts`\nFROM (\n\
         SELECT {label_keys}CAST(label.{label_time} AS {data_type}) AS `__at`, CAST(NULL AS {data_type}) AS `__ts`\nFROM {labels} AS label\n\
         UNION ALL\n\
         SELECT {feature_keys}feature.{feature_time} AS `__at`, feature.{feature_time} AS `__ts`\nFROM {table} AS feature\n\
         ) AS event"
    )
}

/// The name of a key's column among the moments.
fn key(number: usize) -> String {
    format!("__key{number}")
}

fn same(side: &str, column: &str, other: &str, others: &str) -> String {
    format!("{side}.{} = {other}.{}", quote::identifier(column), quote::identifier(others))
}

/// True where there is nothing to fulfil.
fn conjunction(terms: impl Iterator<Item = String>) -> String {
    let terms: Vec<_> = terms.collect();
    if terms.is_empty() { "true".to_owned() } else { terms.join(" AND ") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_read_of_what_was_and_one_of_what_is() {
        let table = TableName::new("main", "default", "spend`ing").unwrap();
        let time = (Pair { label: "ordered`at", key: "at" }, DataType::Date);
        let was = Read {
            labels: "`main`.`default`.`orders`",
            table: &table,
            features: &["month"],
            keys: &[Pair { label: "who", key: "customer" }, Pair { label: "where", key: "shop" }],
            time: Some(time),
        };
        let is = Read {
            labels: "(\nSELECT * FROM orders WHERE day > :day\n)",
            table: &table,
            features: &["at", "month", "a`b"],
            keys: &[Pair { label: "customer", key: "customer" }, Pair { label: "shop", key: "shop" }],
            time: None,
        };
        insta::assert_snapshot!([was, is].map(|read| point_in_time(&read)).join("\n;\n"));
    }
}
