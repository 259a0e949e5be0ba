//! The Statement Execution API's messages. Fields that old or new servers leave out are optional here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Param, StatementId, WarehouseId};

/// Where the result goes and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// JSON text inside the answer: the fastest for small results.
    Inline,
    /// Arrow files behind presigned links: for results of any size.
    External,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatementRequest {
    pub(crate) warehouse_id: WarehouseId,
    pub(crate) statement: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) catalog: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) row_limit: Option<u64>,
    #[serde(flatten)]
    pub(crate) delivery: DeliveryFields,
    #[serde(serialize_with = "seconds")]
    pub(crate) wait_timeout: Duration,
    pub(crate) on_wait_timeout: &'static str,
}

/// `disposition`, `format` and `result_compression`, which only make sense together.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct DeliveryFields {
    disposition: &'static str,
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_compression: Option<&'static str>,
}

impl From<Delivery> for DeliveryFields {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Inline => {
                Self { disposition: "INLINE", format: "JSON_ARRAY", result_compression: None }
            }
            Delivery::External => Self {
                disposition: "EXTERNAL_LINKS",
                format: "ARROW_STREAM",
                result_compression: Some("LZ4_FRAME"),
            },
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Parameter {
    #[serde(flatten)]
    pub(crate) marker: Marker,
    #[serde(flatten)]
    pub(crate) param: Param,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Marker {
    /// `:name`
    Name(String),
    /// The nth `?`, from 1.
    Ordinal(usize),
}

fn seconds<S: serde::Serializer>(wait: &Duration, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}s", wait.as_secs()))
}

/// `` `name` `` or `number 2`, as errors call it.
impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Ordinal(number) => write!(f, "number {number}"),
        }
    }
}

/// `null` where a default is meant: servers write either.
fn or_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StatementResponse {
    pub(crate) statement_id: StatementId,
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) manifest: Option<Manifest>,
    #[serde(default)]
    pub(crate) result: Option<ResultPage>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Status {
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) error: Option<ServiceError>,
    #[serde(default)]
    pub(crate) sql_state: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ServiceError {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) error_code: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Manifest {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) schema: Schema,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) chunks: Vec<ChunkInfo>,
    #[serde(default)]
    pub(crate) total_row_count: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) truncated: bool,
    #[serde(default)]
    pub(crate) result_compression: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Schema {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) columns: Vec<ColumnInfo>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ColumnInfo {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) position: u32,
    #[serde(default)]
    pub(crate) type_name: Option<String>,
    #[serde(default)]
    pub(crate) type_text: Option<String>,
    #[serde(default)]
    pub(crate) type_precision: Option<u8>,
    #[serde(default)]
    pub(crate) type_scale: Option<u8>,
    #[serde(default)]
    pub(crate) type_interval_type: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ChunkInfo {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) chunk_index: u64,
    /// The size in bytes once decoded.
    #[serde(default)]
    pub(crate) byte_count: Option<u64>,
    #[serde(default)]
    pub(crate) row_count: Option<u64>,
}

/// One or more chunks of a result: the `result` of a statement, or the answer to a call for a chunk.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ResultPage {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) chunk_index: u64,
    #[serde(default)]
    pub(crate) row_count: Option<u64>,
    #[serde(default)]
    pub(crate) next_chunk_index: Option<u64>,
    #[serde(default)]
    pub(crate) data_array: Option<Vec<Vec<Option<String>>>>,
    #[serde(default)]
    pub(crate) external_links: Option<Vec<Link>>,
    /// The Arrow stream in base64, where the server chose to send it inline.
    #[serde(default)]
    pub(crate) attachment: Option<String>,
}

impl ResultPage {
    /// The index of the chunk after the last one of this page.
    pub(crate) fn next(&self) -> Option<u64> {
        let links = self.external_links.as_deref().unwrap_or_default();
        match links.iter().max_by_key(|link| link.chunk_index) {
            Some(last) => last.next_chunk_index,
            None => self.next_chunk_index,
        }
    }
}

/// A presigned link to one chunk. It has no `Debug`: its address and headers are credentials.
#[derive(Clone, Deserialize)]
pub(crate) struct Link {
    pub(crate) external_link: String,
    #[serde(default)]
    pub(crate) expiration: Option<String>,
    #[serde(default)]
    pub(crate) http_headers: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) chunk_index: u64,
    #[serde(default)]
    pub(crate) row_count: Option<u64>,
    #[serde(default)]
    pub(crate) byte_count: Option<u64>,
    #[serde(default)]
    pub(crate) next_chunk_index: Option<u64>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chunk_index, expiration, row_count, byte_count, next_chunk_index, .. } = self;
        f.debug_struct("Link")
            .field("external_link", &"[redacted]")
            .field("chunk_index", chunk_index)
            .field("expiration", expiration)
            .field("row_count", row_count)
            .field("byte_count", byte_count)
            .field("next_chunk_index", next_chunk_index)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::IntoParam;

    fn request(delivery: Delivery) -> StatementRequest {
        StatementRequest {
            warehouse_id: WarehouseId::new("w1"),
            statement: "SELECT :a".to_owned(),
            catalog: Some("main".to_owned()),
            schema: None,
            parameters: vec![
                Parameter { marker: Marker::Name("a".to_owned()), param: 7_i32.into_param() },
                Parameter { marker: Marker::Ordinal(1), param: None::<&str>.into_param() },
            ],
            row_limit: Some(10),
            delivery: delivery.into(),
            wait_timeout: Duration::from_secs(30),
            on_wait_timeout: "CONTINUE",
        }
    }

    #[test]
    fn request_has_the_fields_of_the_api() {
        insta::assert_json_snapshot!("external", request(Delivery::External));
        insta::assert_json_snapshot!("inline", request(Delivery::Inline));
    }

    #[test]
    fn null_stands_for_a_field_that_is_left_out() {
        let answer: StatementResponse = serde_json::from_str(
            r#"{"statement_id":"s1","status":{"state":"FAILED","error":{"error_code":null,"message":null},"sql_state":null},
                "manifest":{"schema":null,"chunks":null,"total_row_count":null,"truncated":null},
                "result":{"chunk_index":null,"data_array":null,"external_links":[{"external_link":"x","chunk_index":null}]}}"#,
        )
        .unwrap();
        assert_eq!(answer.status.error.unwrap().error_code, "");
        assert!(!answer.manifest.unwrap().truncated);
        let columns: Schema = serde_json::from_str(r#"{"columns":[{"name":null,"position":null}]}"#).unwrap();
        assert_eq!(columns.columns[0].position, 0);
        assert!(serde_json::from_str::<Schema>(r#"{"columns":null}"#).unwrap().columns.is_empty());
        assert_eq!(serde_json::from_str::<ChunkInfo>(r#"{"chunk_index":null}"#).unwrap().chunk_index, 0);
    }

    #[test]
    fn link_does_not_show_its_address() {
        let link: Link = serde_json::from_str(
            r#"{"external_link":"https://s/secret?sig=1","http_headers":{"k":"secret"},"chunk_index":3}"#,
        )
        .unwrap();
        let text = format!("{link:?}");
        assert!(!text.contains("secret") && text.contains("chunk_index: 3"), "{text}");
    }

    #[test]
    fn page_of_many_links_continues_after_its_last_link() {
        let page: ResultPage = serde_json::from_str(
            r#"{"external_links":[
                {"external_link":"x","chunk_index":0,"next_chunk_index":1},
                {"external_link":"y","chunk_index":1,"next_chunk_index":2}]}"#,
        )
        .unwrap();
        assert_eq!(page.next(), Some(2));
    }
}
