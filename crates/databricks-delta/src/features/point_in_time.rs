//! The as-of join: each label with the newest row of features that is not newer than the label.

use databricks_schema::DataType;
use databricks_sql::{BatchStream, IntoParam, Param, RowStream, Statement};
use serde::de::DeserializeOwned;
use tracing::Instrument;

use super::FeatureTable;
use crate::error::{DeltaError, Result};
use crate::names::Target;
use crate::operation;
use crate::read::ends;
use crate::statement::point_in_time::{self, Pair, Read};

/// What features are read for.
#[derive(Debug, Clone)]
pub(super) enum Labels {
    Table(Target),
    Query(String),
}

/// A point-in-time read being prepared. Its rows are the labels' columns, then the features; NULL where there were none
/// yet. Every label is there once.
#[must_use = "a read is run by one of its ends, such as `rows`"]
#[derive(Debug, Clone)]
pub struct PointInTime {
    table: FeatureTable,
    labels: Labels,
    at: Option<String>,
    label_keys: Option<Vec<String>>,
    features: Option<Vec<String>>,
    parameters: Vec<(String, Param)>,
}

impl PointInTime {
    pub(super) fn new(table: FeatureTable, labels: Labels) -> Self {
        Self { table, labels, at: None, label_keys: None, features: None, parameters: Vec::new() }
    }

    /// The labels' column of time: needed where the feature table has a timestamp key. It is cast to that key's type.
    pub fn at(mut self, column: impl Into<String>) -> Self {
        self.at = Some(column.into());
        self
    }

    /// The labels' columns for the key (without its time), in its order: those of the same names unless set.
    pub fn label_keys<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.label_keys = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Reads these features only, in this order. Names that the labels have too come twice.
    pub fn features<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.features = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Binds the marker `:name` of the query of labels.
    pub fn param(mut self, name: impl Into<String>, value: impl IntoParam) -> Self {
        self.parameters.push((name.into(), value.into_param()));
        self
    }

    /// The statement that the ends run.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`]; [`DeltaError::InvalidOption`] for keys that do not pair, a feature that is not there,
    /// and a time that is missing or has no use.
    pub fn build_sql(&self) -> Result<String> {
        let labels = match &self.labels {
            Labels::Table(table) => table.get()?.to_string(),
            Labels::Query(sql) => format!("(\n{}\n)", sql.trim().trim_end_matches(';')),
        };
        Ok(point_in_time::point_in_time(&Read {
            labels: &labels,
            table: &self.table.table,
            features: &self.chosen()?,
            keys: &self.pairs()?,
            time: self.time()?,
        }))
    }

    /// The features that are read, as the table spells them.
    fn chosen(&self) -> Result<Vec<&str>> {
        let all = self.table.features();
        let Some(chosen) = &self.features else { return Ok(all) };
        let find = |name: &String| {
            all.iter().find(|feature| feature.eq_ignore_ascii_case(name)).copied().ok_or_else(|| {
                refuse(
                    "features",
                    name,
                    format!("the features of {} are: {}", self.table.table, all.join(", ")),
                )
            })
        };
        chosen.iter().map(find).collect()
    }

    /// The key without its time.
    fn pairs(&self) -> Result<Vec<Pair<'_>>> {
        let keys = self.table.keys.iter().filter(|key| Some(*key) != self.table.timestamp.as_ref());
        let keys: Vec<&str> = keys.map(String::as_str).collect();
        let labels: Vec<&str> = match &self.label_keys {
            None => keys.clone(),
            Some(labels) => labels.iter().map(String::as_str).collect(),
        };
        if labels.len() != keys.len() || labels.iter().any(|label| label.is_empty()) {
            let reason = format!("the key is ({}): name a column for each of these", keys.join(", "));
            return Err(refuse("label_keys", &labels.join(", "), reason));
        }
        Ok(labels.into_iter().zip(keys).map(|(label, key)| Pair { label, key }).collect())
    }

    /// The columns of time, and the type of the key's.
    fn time(&self) -> Result<Option<(Pair<'_>, DataType)>> {
        match (&self.table.timestamp, &self.at) {
            (None, None) => Ok(None),
            (None, Some(at)) => {
                let reason = format!("{} has no timestamp key: its rows hold at any time", self.table.table);
                Err(refuse("at", at, reason))
            }
            (Some(key), at) => {
                let label = at.as_deref().filter(|at| !at.is_empty());
                let label = label.ok_or_else(|| {
                    refuse("at", "", "say which column of the labels tells their time".to_owned())
                })?;
                let column = self.table.schema.column(key);
                let data_type = column.map_or(DataType::Timestamp, |column| column.data_type.clone());
                Ok(Some((Pair { label, key }, data_type)))
            }
        }
    }

    ends!();

    fn span(&self) -> tracing::Span {
        let table = self.table.table.full_name();
        let none = tracing::field::Empty;
        tracing::info_span!("databricks.delta.read", table, version = none, rows_read = none)
    }

    fn statement(self) -> Result<Statement> {
        let sql = self.build_sql()?;
        let statement = self.table.client.remote()?.sql.statement(sql).idempotent();
        operation::count(&self.table.table, "read", 0);
        Ok(self
            .parameters
            .into_iter()
            .fold(statement, |statement, (name, value)| statement.param(name, value)))
    }
}

fn refuse(option: &'static str, value: &str, reason: String) -> DeltaError {
    DeltaError::InvalidOption { option, value: format!("`{value}`"), reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use databricks_schema::{TableName, TableSchema};

    use super::*;
    use crate::client::DeltaClient;

    fn table(timestamp: Option<&str>) -> FeatureTable {
        FeatureTable {
            client: DeltaClient::mock(),
            table: TableName::new("main", "default", "spend`ing").unwrap(),
            schema: TableSchema::parse("customer BIGINT, shop STRING, at DATE, month DOUBLE, `a``b` INT")
                .unwrap(),
            keys: ["customer", "shop"].into_iter().chain(timestamp).map(str::to_owned).collect(),
            timestamp: timestamp.map(str::to_owned),
        }
    }

    #[test]
    fn a_read_pairs_labels_with_the_tables_keys_and_chosen_features() {
        let read = table(Some("at")).point_in_time("orders").at("ordered`at").label_keys(["who", "where"]);
        let sql = read.features(["MONTH"]).build_sql().unwrap();
        assert!(
            sql.starts_with("SELECT label.*, feature.`month`\nFROM `main`.`default`.`orders` AS label\n")
        );
        assert!(
            sql.contains("label.`where` = moment.`__key1` AND CAST(label.`ordered``at` AS DATE)"),
            "{sql}"
        );
        let query = "SELECT * FROM orders WHERE day > :day;";
        let sql = table(None).point_in_time_of_query(query).build_sql().unwrap();
        assert!(sql.contains("FROM (\nSELECT * FROM orders WHERE day > :day\n) AS label"), "{sql}");
    }

    #[test]
    fn what_does_not_fit_the_key_is_refused_by_the_setting() {
        let read = |timestamp| table(timestamp).point_in_time("orders");
        for (read, refused) in [
            (read(Some("at")), "at"),
            (read(Some("at")).at(""), "at"),
            (read(None).at("ordered_at"), "at"),
            (read(None).label_keys(["who"]), "label_keys"),
            (read(None).label_keys(["who", ""]), "label_keys"),
            (read(None).features(["customer"]), "features"),
        ] {
            let error = read.build_sql().unwrap_err();
            assert!(
                matches!(&error, DeltaError::InvalidOption { option, .. } if *option == refused),
                "{error}"
            );
        }
        assert!(table(None).with_timestamp_key("month").is_err());
        assert_eq!(table(None).with_timestamp_key("SHOP").unwrap().timestamp_key(), Some("shop"));
    }
}
