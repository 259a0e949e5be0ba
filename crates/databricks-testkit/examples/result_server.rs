//! A large result on loopback ports, for a client in any language, until Ctrl-C.
//!
//! ```text
//! cargo run --release -p databricks-testkit --example result_server -- --rows 2000000 --chunks 20 --lz4
//! ```
//!
//! The first line of its output is JSON with what a client needs: `url`, `storage_url`, `token`, `warehouse`,
//! `http_path`, `statement`. What was asked of it is the last line.
//!
//! | flag | meaning | default |
//! |---|---|---|
//! | `--rows N` | rows of the result | 2000000 |
//! | `--chunks N` | chunks of the result | 20 |
//! | `--distinct N` | different files, served again and again | as many as chunks |
//! | `--lz4` | files are LZ4 frames, for clients that ask for them | plain |
//! | `--link-latency MS`, `--api-latency MS` | time before each answer | 0 |
//! | `--bandwidth BYTES` | bytes a second of each download | as fast as it goes |
//! | `--fail SHARE` | share of GET requests answered 503 | 0 |
//! | `--retry-after SECONDS` | what those 503s ask for | 1 |
//! | `--break SHARE` | share of downloads whose connection breaks after 100 kB | 0 |
//! | `--seed N` | what failures are drawn from | 1 |
//! | `--port N` | the API's port | any |

use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

use databricks_testkit::{ResultServer, ResultServerBuilder};
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Bytes of a download before its connection breaks.
const BREAKS_AFTER: u64 = 100_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let server = setting(&Flags(std::env::args().skip(1).collect()))?.start().await?;
    let hello = json!({
        "url": server.url(),
        "storage_url": server.storage_url(),
        "token": server.token(),
        "warehouse": server.warehouse(),
        "http_path": format!("/sql/1.0/warehouses/{}", server.warehouse()),
        "statement": ResultServer::STATEMENT,
    });
    println!("{hello}");
    tokio::signal::ctrl_c().await?;
    println!("{:?}", server.stats());
    server.shutdown().await;
    Ok(())
}

fn setting(flags: &Flags) -> Outcome<ResultServerBuilder> {
    flags.check()?;
    let seed = flags.value("--seed")?.unwrap_or(1);
    let after = Duration::from_secs(flags.value("--retry-after")?.unwrap_or(1));
    let millis = |name| Ok::<_, Box<dyn Error>>(Duration::from_millis(flags.value(name)?.unwrap_or(0)));
    let mut server = ResultServer::builder()
        .rows(flags.value("--rows")?.unwrap_or(2_000_000))
        .chunks(flags.value("--chunks")?.unwrap_or(20))
        .lz4(flags.has("--lz4"))
        .link_latency(millis("--link-latency")?)
        .api_latency(millis("--api-latency")?)
        .bind(([127, 0, 0, 1], flags.value("--port")?.unwrap_or(0)).into());
    if let Some(distinct) = flags.value("--distinct")? {
        server = server.distinct_chunks(distinct);
    }
    if let Some(bandwidth) = flags.value("--bandwidth")? {
        server = server.bandwidth_per_link(bandwidth);
    }
    if let Some(share) = flags.value("--fail")? {
        server = server.fail(share, seed, after)?;
    }
    if let Some(share) = flags.value("--break")? {
        server = server.break_links(share, seed, BREAKS_AFTER)?;
    }
    Ok(server)
}

/// The command line.
struct Flags(Vec<String>);

impl Flags {
    const WITH_VALUE: [&str; 11] = [
        "--rows",
        "--chunks",
        "--distinct",
        "--link-latency",
        "--api-latency",
        "--bandwidth",
        "--fail",
        "--retry-after",
        "--break",
        "--seed",
        "--port",
    ];

    /// Refuses what is not a flag: a misspelt one would measure something else.
    fn check(&self) -> Outcome<()> {
        let mut words = self.0.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--lz4" => {}
                name if Self::WITH_VALUE.contains(&name) => {
                    words.next().ok_or_else(|| format!("{name} needs a value"))?;
                }
                other => return Err(format!("unknown flag {other}; the example's source lists them").into()),
            }
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|word| word == name)
    }

    fn value<T: FromStr>(&self, name: &str) -> Outcome<Option<T>> {
        let at = self.0.iter().position(|word| word == name);
        let Some(text) = at.and_then(|at| self.0.get(at + 1)) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("{name} does not take `{text}`").into())
    }
}
