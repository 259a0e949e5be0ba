//! What is read, and over what kind of network.

use std::time::Duration;

use databricks_testkit::{ResultServer, ResultServerBuilder, ResultShape};

use crate::flags::{Flags, Outcome};

#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) chunks: u64,
    /// Different files, where fewer than chunks.
    pub(crate) distinct: u64,
    pub(crate) lz4: bool,
    /// Of each answer, of links and of the API.
    pub(crate) latency_ms: u64,
    /// Bytes a second of each link; 0 as fast as it goes.
    pub(crate) bandwidth: u64,
    /// The share of requests that fail.
    pub(crate) fail: f64,
    /// The ratio to the floor that is aimed at.
    pub(crate) target: Option<f64>,
    pub(crate) most_pairs: usize,
}

const MEGABYTE: u64 = 1_000_000;

/// The settings, plain and LZ4.
pub(crate) fn all() -> Vec<Setting> {
    [false, true].into_iter().flat_map(of_compression).collect()
}

fn of_compression(lz4: bool) -> Vec<Setting> {
    let base = Setting {
        name: String::new(),
        rows: 2_000_000,
        chunks: 20,
        distinct: 20,
        lz4,
        latency_ms: 0,
        bandwidth: 0,
        fail: 0.0,
        target: None,
        most_pairs: usize::MAX,
    };
    let wide = Setting { chunks: 200, distinct: 200, ..base.clone() };
    let settings = vec![
        Setting { target: Some(1.10), ..named(&base, "2M rows, 20 chunks, 0 ms") },
        Setting { latency_ms: 30, target: Some(1.10), ..named(&base, "2M rows, 20 chunks, 30 ms") },
        Setting {
            chunks: 40,
            distinct: 40,
            bandwidth: 40 * MEGABYTE,
            target: Some(0.70),
            ..named(&base, "2M rows, 40 chunks, 40 MB/s per link")
        },
        Setting { target: Some(1.10), ..named(&wide, "2M rows, 200 chunks, 0 ms") },
        Setting { latency_ms: 30, target: Some(1.10), ..named(&wide, "2M rows, 200 chunks, 30 ms") },
        Setting { fail: 0.05, ..named(&wide, "2M rows, 200 chunks, 5% of requests fail") },
        Setting {
            rows: 20_000_000,
            chunks: 200,
            target: Some(1.10),
            most_pairs: 5,
            ..named(&base, "20M rows, 200 chunks, 0 ms")
        },
    ];
    settings
}

fn named(base: &Setting, name: &str) -> Setting {
    let packed = if base.lz4 { "LZ4" } else { "plain" };
    Setting { name: format!("{name}, {packed}"), ..base.clone() }
}

impl Setting {
    pub(crate) fn shape(&self) -> ResultShape {
        ResultShape::new(self.rows, self.chunks).repeating(self.distinct)
    }

    pub(crate) fn server(&self) -> Outcome<ResultServerBuilder> {
        let latency = Duration::from_millis(self.latency_ms);
        let mut server = ResultServer::builder()
            .rows(self.rows)
            .chunks(self.chunks)
            .distinct_chunks(self.distinct)
            .lz4(self.lz4)
            .api_latency(latency)
            .link_latency(latency);
        if self.bandwidth > 0 {
            server = server.bandwidth_per_link(self.bandwidth);
        }
        if self.fail > 0.0 {
            server = server.fail(self.fail, 1, Duration::from_secs(1))?;
        }
        Ok(server)
    }

    /// The flags that [`of_flags`](Self::of_flags) reads.
    pub(crate) fn to_flags(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let numbers = [
            ("--rows", self.rows.to_string()),
            ("--chunks", self.chunks.to_string()),
            ("--distinct", self.distinct.to_string()),
            ("--latency", self.latency_ms.to_string()),
            ("--bandwidth", self.bandwidth.to_string()),
            ("--fail", self.fail.to_string()),
        ];
        for (name, value) in numbers {
            words.extend([name.to_owned(), value]);
        }
        words.extend(self.lz4.then(|| "--lz4".to_owned()));
        words
    }

    pub(crate) fn of_flags(flags: &Flags) -> Outcome<Self> {
        Ok(Self {
            name: String::new(),
            rows: flags.required("--rows")?,
            chunks: flags.required("--chunks")?,
            distinct: flags.required("--distinct")?,
            lz4: flags.has("--lz4"),
            latency_ms: flags.required("--latency")?,
            bandwidth: flags.required("--bandwidth")?,
            fail: flags.required("--fail")?,
            target: None,
            most_pairs: 0,
        })
    }
}
