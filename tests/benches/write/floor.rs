//! Bare Parquet writers into a folder, one thread a core, and one commit.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use arrow::array::RecordBatch;
use deltalake::DeltaTable;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, StructType};
use deltalake::protocol::{DeltaOperation, SaveMode};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::{Setting, cores, data, timed};

pub(crate) fn write(setting: Setting) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = data::pool();
    let table = runtime.block_on(create(folder.path(), &pool[0]));
    let parts = setting.rows.div_ceil(setting.batch_size);
    let (took, ()) = timed(|| {
        let adds = std::thread::scope(|scope| {
            let folder = folder.path();
            let pool = &pool;
            let threads = (0..cores()).map(|core| {
                let mine = (core..parts).step_by(cores());
                scope.spawn(move || mine.map(|part| file(folder, pool, part, setting)).collect::<Vec<Add>>())
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        runtime.block_on(commit(&table, adds));
    });
    took
}

fn file(folder: &Path, pool: &[RecordBatch], part: usize, setting: Setting) -> Add {
    let name = format!("part-{part:05}.parquet");
    let rows = setting.batch_size.min(setting.rows - part * setting.batch_size);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = File::create(folder.join(&name)).unwrap();
    let mut writer = ArrowWriter::try_new(file, pool[0].schema(), Some(properties)).unwrap();
    for batch in data::batches(pool, rows) {
        writer.write(&batch).unwrap();
    }
    let file = writer.into_inner().unwrap();
    // As the workspace does with every upload.
    file.sync_all().unwrap();
    let size = i64::try_from(file.metadata().unwrap().len()).unwrap();
    let stats = Some(format!("{{\"numRecords\":{rows}}}"));
    Add { path: name, size, data_change: true, stats, ..Add::default() }
}

async fn create(folder: &Path, batch: &RecordBatch) -> DeltaTable {
    let schema: StructType = batch.schema().as_ref().try_into_kernel().unwrap();
    let url = url::Url::from_directory_path(folder).unwrap();
    let table = DeltaTable::try_from_url(url).await.unwrap();
    table.create().with_columns(schema.fields().cloned()).await.unwrap()
}

async fn commit(table: &DeltaTable, adds: Vec<Add>) {
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let actions = adds.into_iter().map(Action::Add).collect();
    let builder = CommitBuilder::from(CommitProperties::default()).with_actions(actions);
    builder.build(Some(table.snapshot().unwrap()), table.log_store(), operation).await.unwrap();
}
