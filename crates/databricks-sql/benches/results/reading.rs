//! One reading of the result: where from, by whom, and what came of it.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::sum;
use arrow::datatypes::Int64Type;
use databricks_testkit::ResultShape;
use serde::{Deserialize, Serialize};

use crate::flags::{Flags, Outcome};
use crate::setting::Setting;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Floor,
    Ours,
    /// databricks-sql-connector over the Statement Execution API, in Python.
    Sea,
    /// databricks-sql-connector over its kernel in Rust.
    Kernel,
}

impl Reader {
    pub(crate) const ALL: [Self; 4] = [Self::Floor, Self::Ours, Self::Sea, Self::Kernel];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Ours => "ours",
            Self::Sea => "sea",
            Self::Kernel => "kernel",
        }
    }
}

/// What a reader has to know.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) reader: Reader,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) warehouse: String,
    pub(crate) setting: Setting,
    /// Downloads at once of the floor.
    pub(crate) streams: usize,
    /// Whether every cell is compared.
    pub(crate) checks_all: bool,
    /// Whether our client goes without rate limits of its own.
    pub(crate) no_quota: bool,
}

impl Target {
    pub(crate) fn to_flags(&self) -> Vec<String> {
        let mut words = self.setting.to_flags();
        words.extend(["--reader".to_owned(), self.reader.name().to_owned()]);
        words.extend(self.checks_all.then(|| "--check".to_owned()));
        words.extend(self.no_quota.then(|| "--no-quota".to_owned()));
        let named = [("--url", &self.url), ("--token", &self.token), ("--warehouse", &self.warehouse)];
        for (name, value) in named {
            words.extend([name.to_owned(), value.clone()]);
        }
        words.extend(["--streams".to_owned(), self.streams.to_string()]);
        words
    }

    pub(crate) fn of_flags(flags: &Flags) -> Outcome<Self> {
        let name: String = flags.required("--reader")?;
        let reader = Reader::ALL.into_iter().find(|reader| reader.name() == name);
        Ok(Self {
            reader: reader.ok_or_else(|| format!("no reader is named {name}"))?,
            url: flags.required("--url")?,
            token: flags.required("--token")?,
            warehouse: flags.required("--warehouse")?,
            setting: Setting::of_flags(flags)?,
            streams: flags.required("--streams")?,
            checks_all: flags.has("--check"),
            no_quota: flags.has("--no-quota"),
        })
    }
}

/// What a reading took.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Reading {
    pub(crate) wall_s: f64,
    pub(crate) first_batch_s: f64,
    /// Of user and system time.
    pub(crate) cpu_s: f64,
    pub(crate) peak_rss_mib: f64,
}

/// Takes the batches as they come and checks them.
pub(crate) struct Sink {
    shape: ResultShape,
    checks_all: bool,
    began: Instant,
    first: Option<Duration>,
    rows: u64,
    ids: i128,
}

impl Sink {
    /// The clock starts here.
    pub(crate) fn new(target: &Target) -> Self {
        Self {
            shape: target.setting.shape(),
            checks_all: target.checks_all,
            began: Instant::now(),
            first: None,
            rows: 0,
            ids: 0,
        }
    }

    pub(crate) fn take(&mut self, batch: &RecordBatch) -> Outcome<()> {
        self.first.get_or_insert_with(|| self.began.elapsed());
        let rows = self.rows..self.rows + batch.num_rows() as u64;
        self.rows = rows.end;
        let ids = batch.column(0).as_any().downcast_ref::<arrow::array::PrimitiveArray<Int64Type>>();
        self.ids += i128::from(ids.and_then(sum).unwrap_or_default());
        if self.checks_all && self.shape.expected(rows.clone())?.columns() != batch.columns() {
            return Err(format!("rows {rows:?} are not as expected").into());
        }
        Ok(())
    }

    /// Stops the clock.
    pub(crate) fn finish(self) -> Outcome<Reading> {
        let wall = self.began.elapsed();
        let ids = sum_of_ids(self.shape);
        if (self.rows, self.ids) != (self.shape.rows(), ids) {
            return Err(format!("{} rows with ids that add up to {}", self.rows, self.ids).into());
        }
        Ok(Reading {
            wall_s: wall.as_secs_f64(),
            first_batch_s: self.first.unwrap_or(wall).as_secs_f64(),
            cpu_s: cpu_seconds()?,
            peak_rss_mib: peak_rss_mib()?,
        })
    }
}

/// The ids of a chunk are consecutive.
pub(crate) fn sum_of_ids(shape: ResultShape) -> i128 {
    let of_chunk = |index| {
        let rows = shape.chunk(index);
        let count = i128::from(rows.end - rows.start);
        count * i128::from(shape.source_row(rows.start)) + count * (count - 1) / 2
    };
    (0..shape.chunks()).map(of_chunk).sum()
}

fn peak_rss_mib() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// In `/proc/self/stat`, user and system time in ticks of 10 ms are the 14th and 15th field.
fn cpu_seconds() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}
