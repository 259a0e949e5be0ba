//! How rate policies do against a server's limit: the standard one, a fixed rate, and one after AWS' adaptive mode.
//!
//! `cargo run -p databricks-transport --release --example rate_limits` prints the table, the same each time: time is
//! simulated and chance is seeded. With `-- sweep` it prints how the standard policy does over many limits, bursts, latencies and
//! moments.

mod cubic;
mod simulation;
mod sweep;

use std::time::Duration;

use cubic::Cubic;
use databricks_transport::{Adaptive, Error, FixedRate, Rate};
use simulation::{BASE, Figures, Scenario, Work, run};

const POLICIES: [&str; 3] = ["adaptive", "fixed 15", "cubic"];
const BURSTS: [f64; 3] = [1.0, 10.0, 50.0];
/// The server's limit changes after so long.
const CHANGE: f64 = 20.0;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Error> {
    if std::env::args().nth(1).is_some_and(|argument| argument == "sweep") {
        return sweep::print().await;
    }
    println!(
        "Clients with a base of {BASE}/s against a server's bucket of tokens, which answers 429 with Retry-After: 1."
    );
    println!(
        "goodput: of what the server's limit allowed. lost: in pauses, and otherwise (a rate below the limit;"
    );
    println!(
        "negative when saved-up tokens made up for a pause). recovers: until 2 s at 85% of the last limit.\n"
    );
    println!(
        "{:<30} {:>5} {:<9} {:>8} {:>8} {:>7} {:>6} {:>7} {:>7} {:>6} {:>9}",
        "scenario",
        "burst",
        "policy",
        "goodput",
        "calls/s",
        "429s",
        "share",
        "pauses",
        "other",
        "Jain",
        "recovers"
    );
    for (name, scenario) in scenarios() {
        for burst in BURSTS {
            for policy in POLICIES {
                let scenario = Scenario { burst, ..scenario.clone() };
                row(name, burst, policy, &play(policy, &scenario).await?);
            }
        }
    }
    Ok(())
}

async fn play(policy: &str, scenario: &Scenario) -> Result<Figures, Error> {
    match policy {
        "cubic" => run(scenario, Cubic::new).await,
        "fixed 15" => run(scenario, |_| FixedRate(Rate::per_second(15.0).with_burst(1))).await,
        _ => run(scenario, Adaptive::new).await,
    }
}

fn row(name: &str, burst: f64, policy: &str, figures: &Figures) {
    let percent = |share: f64| format!("{:.1}%", share * 100.0);
    println!(
        "{name:<30} {burst:>5} {policy:<9} {:>8} {:>8.1} {:>7} {:>6} {:>7} {:>7} {:>6.2} {:>9}",
        percent(figures.goodput()),
        figures.served as f64 / figures.seconds,
        figures.throttled,
        percent(figures.throttled_share()),
        percent(figures.paused),
        percent(1.0 - figures.goodput() - figures.paused),
        figures.fairness,
        figures.recovery.map_or("never".to_owned(), |seconds| format!("{seconds:.1} s")),
    );
}

fn scenarios() -> Vec<(&'static str, Scenario)> {
    let one = Scenario {
        clients: 1,
        workers: 8,
        limits: vec![(0.0, 50.0)],
        burst: 1.0,
        latency: Duration::from_millis(20),
        phase: Duration::ZERO,
        work: Work::Calls(500),
        seed: 1,
    };
    let halves = |rate: f64, seconds: f64| Scenario {
        limits: vec![(0.0, rate), (CHANGE, rate / 2.0), (CHANGE + seconds, rate)],
        work: Work::Seconds { from: CHANGE + seconds, to: CHANGE + seconds + 60.0 },
        ..one.clone()
    };
    vec![
        ("500 calls at 30/s", Scenario { limits: vec![(0.0, 30.0)], ..one.clone() }),
        ("500 calls at 45/s", Scenario { limits: vec![(0.0, 45.0)], ..one.clone() }),
        ("500 calls at 50/s", one.clone()),
        ("500 calls at 70/s", Scenario { limits: vec![(0.0, 70.0)], ..one.clone() }),
        ("500 calls at 90/s", Scenario { limits: vec![(0.0, 90.0)], ..one.clone() }),
        ("60 s after 50, 10 s 25, 50/s", halves(50.0, 10.0)),
        ("60 s after 50, 30 s 25, 50/s", halves(50.0, 30.0)),
        ("60 s after 50, 60 s 25, 50/s", halves(50.0, 60.0)),
        ("60 s after 100, 30 s 50, 100/s", halves(100.0, 30.0)),
        (
            "4 clients at 50/s, 120 s",
            Scenario { clients: 4, workers: 4, work: Work::Seconds { from: 0.0, to: 120.0 }, ..one },
        ),
    ]
}
