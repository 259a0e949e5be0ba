//! Files that are taken as they are, and files that look like them and are not.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, DictionaryArray, Float64Array, Int32Array, Int64Array, LargeStringArray,
    ListArray, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterPropertiesBuilder};

use super::properties;

pub(super) fn small(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let columns = columns.iter().map(|(name, array)| (*name, Arc::clone(array), true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// A file, a table for it, and whether it is taken as it is.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) table: &'static str,
    /// `(SELECT .. FROM '{}')`; nothing for all columns.
    pub(super) select: &'static str,
    pub(super) file: RecordBatch,
    pub(super) properties: WriterPropertiesBuilder,
    pub(super) adopted: bool,
}

fn case(name: &'static str, table: &'static str, columns: Vec<(&str, ArrayRef)>) -> Case {
    let file = small(&columns);
    let properties = properties(&file.schema());
    Case { name, table, select: "", file, properties, adopted: false }
}

impl Case {
    fn adopted(self) -> Self {
        Self { adopted: true, ..self }
    }

    fn select(self, select: &'static str) -> Self {
        Self { select, ..self }
    }

    fn with(mut self, set: impl Fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder) -> Self {
        self.properties = set(self.properties);
        self
    }
}

pub(super) fn cases() -> Vec<Case> {
    let id = || -> ArrayRef { Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(4)])) };
    let full = || -> ArrayRef { Arc::new(Int64Array::from(vec![1, 2, 3, 4])) };
    let name = || -> ArrayRef { Arc::new(StringArray::from(vec![Some("a"), None, Some("c"), Some("")])) };
    let ratio = || -> ArrayRef { Arc::new(Float64Array::from(vec![1.0, f64::NAN, -0.0, 2.0])) };
    let instants = vec![0, 1_500, -1, 86_400_000];
    let named = || vec![("id", id()), ("name", name())];
    let with_id = |column, array: ArrayRef| vec![("id", full()), (column, array)];
    let list = |element: &str| -> ArrayRef {
        let field = Arc::new(Field::new(element, DataType::Int32, true));
        let values = Arc::new(Int32Array::from(vec![1, 2, 3, 4]));
        Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([1, 0, 2, 1]), values, None))
    };
    let dictionary: DictionaryArray<Int32Type> =
        vec![Some("a"), None, Some("a"), Some("b")].into_iter().collect();
    let decimal = Decimal128Array::from(vec![100, -5, 0, 12_345]);
    let plain = "(id BIGINT, name STRING)";
    let renumbered = {
        let field = |name: &str, data_type, id: &str| {
            let metadata = HashMap::from([("PARQUET:field_id".to_owned(), id.to_owned())]);
            Field::new(name, data_type, true).with_metadata(metadata)
        };
        let schema = Schema::new(vec![field("id", DataType::Int64, "7"), field("name", DataType::Utf8, "8")]);
        let mut case = case("a file with field ids", plain, named());
        case.file = RecordBatch::try_new(Arc::new(schema), case.file.columns().to_vec()).unwrap();
        case
    };
    let required = {
        let table = "(id BIGINT NOT NULL, ratio DOUBLE NOT NULL)";
        let mut case = case("NOT NULL that the file's schema proves", table, with_id("ratio", ratio()));
        let schema = case.file.schema();
        let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(false));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        case.file = RecordBatch::try_new(Arc::new(schema), case.file.columns().to_vec()).unwrap();
        case.adopted()
    };
    vec![
        case("the columns of the table", plain, named()).adopted(),
        case("in another order", plain, vec![("name", name()), ("id", id())]).adopted(),
        case("chosen by name", plain, named()).select("SELECT name, id").adopted(),
        case("cast to their own types", plain, named())
            .select("SELECT CAST(id AS BIGINT) AS id, CAST(name AS STRING) AS name")
            .adopted(),
        case("a column that the file lacks", plain, vec![("id", id())]).adopted(),
        case("a column that is NULL", plain, vec![("id", id())])
            .select("SELECT id, CAST(NULL AS STRING) AS name")
            .adopted(),
        case("NOT NULL that the footer proves", "(id BIGINT NOT NULL, name STRING)", with_id("name", name()))
            .adopted(),
        case("clustered", "(id BIGINT, name STRING) CLUSTER BY (id)", named()).adopted(),
        case(
            "with a change data feed",
            "(id BIGINT, name STRING) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')",
            named(),
        )
        .adopted(),
        case(
            "statistics of one column",
            "(id BIGINT, name STRING) TBLPROPERTIES ('delta.dataSkippingNumIndexedCols' = '1')",
            named(),
        )
        .adopted(),
        case("floats without statistics", "(id BIGINT, ratio DOUBLE)", with_id("ratio", ratio())).adopted(),
        case("a list", "(id BIGINT, list ARRAY<INT>)", with_id("list", list("element"))).adopted(),
        case("not compressed", plain, named())
            .with(|p| p.set_compression(Compression::UNCOMPRESSED))
            .adopted(),
        case("the file of another writer", plain, named()).with(|p| p.set_created_by("polars".to_owned())),
        renumbered,
        case(
            "a list whose elements are called otherwise",
            "(id BIGINT, list ARRAY<INT>)",
            with_id("list", list("item")),
        ),
        case("floats with statistics", "(id BIGINT, ratio DOUBLE)", with_id("ratio", ratio()))
            .with(|p| p.set_column_statistics_enabled("ratio".into(), EnabledStatistics::Page)),
        case("NOT NULL that nothing proves", "(id BIGINT, ratio DOUBLE NOT NULL)", with_id("ratio", ratio())),
        case("partitioned", "(id BIGINT, name STRING) PARTITIONED BY (name)", named()),
        case(
            "column mapping",
            "(id BIGINT, name STRING) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')",
            named(),
        ),
        case(
            "statistics of named columns",
            "(id BIGINT, name STRING) TBLPROPERTIES ('delta.dataSkippingStatsColumns' = 'name')",
            named(),
        ),
        case("a name in another case", plain, vec![("ID", id()), ("name", name())]),
        case("a column too many", plain, vec![("id", id()), ("name", name()), ("more", full())])
            .select("SELECT id, name"),
        case("a column that is not taken", plain, named()).select("SELECT id"),
        case("a column that is set to NULL", plain, named())
            .select("SELECT id, CAST(NULL AS STRING) AS name"),
        case(
            "columns that change places",
            "(a STRING, b STRING)",
            vec![("a", name()), ("b", Arc::new(StringArray::from(vec!["1", "2", "3", "4"])))],
        )
        .select("SELECT a AS b, b AS a"),
        case("a column that fills two", "(a STRING, b STRING)", vec![("a", name())])
            .select("SELECT a, a AS b"),
        case(
            "a column that fills one that the file lacks",
            "(id BIGINT, a STRING, b STRING)",
            vec![("id", full()), ("b", name())],
        )
        .select("SELECT id, b AS a, b"),
        case("decimals that are shown with an exponent", "(id BIGINT, d DECIMAL(15,10))", {
            let small = Decimal128Array::from(vec![1, -3, 0, 2]).with_precision_and_scale(15, 10).unwrap();
            with_id("d", Arc::new(small))
        })
        .adopted(),
        required,
        case("a value that is worked out", plain, named()).select("SELECT id, upper(name) AS name"),
        case("a constant", plain, named()).select("SELECT id, 'x' AS name"),
        case("a cast and back", plain, named())
            .select("SELECT CAST(CAST(id AS STRING) AS BIGINT) AS id, name"),
        case(
            "a narrower type",
            plain,
            vec![("id", Arc::new(Int32Array::from(vec![1, 2, 3, 4]))), ("name", name())],
        ),
        case(
            "large text",
            plain,
            with_id("name", Arc::new(LargeStringArray::from(vec!["a", "b", "c", "d"]))),
        ),
        case("a dictionary", plain, with_id("name", Arc::new(dictionary))),
        case(
            "milliseconds",
            "(id BIGINT, at TIMESTAMP)",
            with_id("at", Arc::new(TimestampMillisecondArray::from(instants.clone()).with_timezone("UTC"))),
        ),
        case(
            "nanoseconds",
            "(id BIGINT, at TIMESTAMP)",
            with_id("at", Arc::new(TimestampNanosecondArray::from(instants.clone()).with_timezone("UTC"))),
        ),
        case(
            "another zone",
            "(id BIGINT, at TIMESTAMP)",
            with_id(
                "at",
                Arc::new(TimestampMicrosecondArray::from(instants.clone()).with_timezone("+02:00")),
            ),
        ),
        case(
            "a decimal of more digits than are needed",
            "(id BIGINT, d DECIMAL(18,2))",
            with_id("d", Arc::new(decimal.with_precision_and_scale(9, 2).unwrap())),
        ),
    ]
}
