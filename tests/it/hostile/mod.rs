//! Data and names that are made to break things: written, merged and read back through the public API, on real tables.

mod names;
mod nested;
mod partitions;
mod values;
mod wide;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{cast, concat_batches, sort_to_indices, take};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::delta::{DeltaClient, DeltaError, WriteMode};
use databricks_delta_lake::schema::{ColumnSchema, DataType, TableName, TableSchema, arrow as convert};
use databricks_delta_lake::transport::Client;
use databricks_local::LocalWorkspace;
use futures::{TryStreamExt, stream};
use tempfile::TempDir;

/// The key of every table here.
const ID: &str = "id";

/// A workspace in a folder of its own, and a client of it.
pub(super) struct World {
    _folder: TempDir,
    client: DatabricksClient,
    pub(super) delta: DeltaClient,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let workspace = LocalWorkspace::open(folder.path()).unwrap();
        let leaf = workspace.service();
        let client = Client::builder(workspace.config().unwrap()).leaf(leaf).build().unwrap();
        let client = DatabricksClient::from_transport(client);
        let delta = client.delta("main", "default").unwrap();
        Self { _folder: folder, client, delta }
    }

    pub(super) async fn execute(&self, sql: &str) {
        let done = self.client.default_sql().unwrap().execute(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The table's rows by id, as one batch.
    pub(super) async fn read(&self, table: &TableName) -> RecordBatch {
        let batches = self.delta.read_table(table).batches().await.unwrap();
        let schema = batches.schema();
        let batches: Vec<RecordBatch> = batches.try_collect().await.unwrap();
        by_id(&concat_batches(&schema, &batches).unwrap())
    }

    /// Files and directories in the staging volume beside a table.
    pub(super) async fn staged(&self, table: &TableName) -> Vec<String> {
        let volume = format!("/Volumes/{}/{}/_staging", table.catalog(), table.schema());
        let entries = self.delta.files().unwrap().list_directory(&volume);
        let entries: Vec<_> = entries.try_collect().await.unwrap_or_default();
        entries.into_iter().map(|entry| entry.path).collect()
    }

    /// How many commits the table has.
    pub(super) async fn commits(&self, table: &TableName) -> usize {
        self.delta.history(table).send().await.unwrap().len()
    }
}

pub(super) fn table(name: &str) -> TableName {
    TableName::new("main", "default", name).unwrap()
}

/// The rows in the order of their ids.
fn by_id(batch: &RecordBatch) -> RecordBatch {
    let ids = batch.column_by_name(ID).unwrap();
    let order: UInt32Array = sort_to_indices(ids, None, None).unwrap();
    let columns = batch.columns().iter().map(|column| take(column, &order, None).unwrap()).collect();
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

/// Some columns, each with the values of all rows, and their type.
pub(super) struct Data {
    pub(super) schema: TableSchema,
    pub(super) batch: RecordBatch,
}

impl Data {
    /// The columns after an `id` that counts the rows.
    pub(super) fn new(columns: Vec<(String, DataType, ArrayRef)>) -> Self {
        let rows = columns[0].2.len();
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
        let columns = [(ID.to_owned(), DataType::BigInt, ids)].into_iter().chain(columns);
        let (mut described, mut fields, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
        for (name, data_type, array) in columns {
            let wanted = convert::to_arrow(&data_type).unwrap();
            let array = cast(&array, &wanted).unwrap();
            fields.push(Field::new(&name, wanted, true));
            arrays.push(array);
            described.push(ColumnSchema::new(name, data_type));
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        Self { schema: TableSchema::new(described), batch }
    }

    fn schema_of_batch(&self) -> SchemaRef {
        self.batch.schema()
    }

    /// These rows without their last one, and with NULL for everything but the id.
    fn emptied(&self) -> RecordBatch {
        let rows = self.batch.num_rows() - 1;
        let columns = self.batch.columns().iter().enumerate().map(|(index, column)| match index {
            0 => column.slice(0, rows),
            _ => new_null_array(column.data_type(), rows),
        });
        RecordBatch::try_new(self.batch.schema(), columns.collect()).unwrap()
    }

    /// Checks that what was read is these rows: the same types, and the same bits.
    pub(super) fn check(&self, read: &RecordBatch, how: &str) {
        let expected = by_id(&self.batch);
        let names = |batch: &RecordBatch| -> Vec<String> {
            batch.schema().fields().iter().map(|field| field.name().clone()).collect()
        };
        assert_eq!(names(read), names(&expected), "{how}");
        assert_eq!(read.num_rows(), expected.num_rows(), "{how}");
        for (index, column) in self.schema.columns.iter().enumerate() {
            let (read, expected) = (read.column(index), expected.column(index));
            let data_type = convert::from_arrow(read.data_type()).unwrap();
            assert_eq!(data_type, column.data_type, "{how}: {:?}", column.name);
            // Only the names of elements and what may be NULL differ.
            let read = cast(read, expected.data_type()).unwrap();
            for row in 0..read.len() {
                let (read, expected) = (read.slice(row, 1), expected.slice(row, 1));
                assert!(
                    read.to_data() == expected.to_data(),
                    "{how}: {:?}, row {row}: {read:?} instead of {expected:?}",
                    column.name
                );
            }
        }
    }
}

async fn write(
    world: &World,
    table: &TableName,
    batch: &RecordBatch,
    mode: WriteMode,
) -> Result<(), DeltaError> {
    let batches = stream::iter([Ok::<_, ArrowError>(batch.clone())]);
    world.delta.write_batches(table, batch.schema(), batches).mode(mode).batch_size(7).send().await.map(drop)
}

/// Writes the rows in every way that takes batches, each into a table of its own or over what is there, and reads them
/// back.
pub(super) async fn round_trip(world: &World, name: &TableName, data: &Data, properties: &[(&str, &str)]) {
    let create = world.delta.create_table(name, data.schema.clone());
    let create = properties.iter().fold(create, |create, (key, value)| create.property(*key, *value));
    create.send().await.unwrap();
    assert_eq!(world.delta.table_schema(name).await.unwrap(), data.schema, "{name}");

    write(world, name, &data.batch, WriteMode::Append).await.unwrap();
    data.check(&world.read(name).await, "appended");

    write(world, name, &data.emptied(), WriteMode::Overwrite).await.unwrap();
    write(world, name, &data.batch, WriteMode::Overwrite).await.unwrap();
    data.check(&world.read(name).await, "overwritten");

    let some = WriteMode::ReplaceWhere(format!("`{ID}` >= 0"));
    write(world, name, &data.batch, some).await.unwrap();
    data.check(&world.read(name).await, "replaced where");

    let using = WriteMode::ReplaceUsing(vec![ID.to_owned()]);
    write(world, name, &data.batch, using).await.unwrap();
    data.check(&world.read(name).await, "replaced using");

    // All rows but one are updated, that one is inserted.
    write(world, name, &data.emptied(), WriteMode::Overwrite).await.unwrap();
    let batches = stream::iter([Ok::<_, ArrowError>(data.batch.clone())]);
    let merge = world.delta.merge(name).using_batches(data.schema_of_batch(), batches).on_keys(&[ID]);
    let merge = merge.when_matched_update_all().when_not_matched_insert_all();
    let merged = merge.idempotency_key("the merge").execute().await.unwrap();
    let rows = data.batch.num_rows() as u64;
    assert_eq!((merged.num_updated_rows, merged.num_inserted_rows), (rows - 1, 1), "{name}");
    data.check(&world.read(name).await, "merged");
    assert_eq!(world.staged(name).await, [""; 0]);
}

/// The ids of a batch.
pub(super) fn ids(batch: &RecordBatch) -> Vec<i64> {
    batch.column_by_name(ID).unwrap().as_primitive::<Int64Type>().values().to_vec()
}
