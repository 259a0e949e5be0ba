//! The standard policy over many limits, bursts, latencies and moments: what it reaches at worst, and on average.

use std::time::Duration;

use databricks_transport::{Adaptive, Error};

use super::simulation::{Figures, Scenario, Work, run_limiters};

pub(crate) const RATES: [f64; 8] = [20.0, 30.0, 45.0, 50.0, 60.0, 70.0, 80.0, 90.0];
pub(crate) const BURSTS: [f64; 3] = [1.0, 10.0, 50.0];
/// Milliseconds by which the client begins later than the server, and of a request's way.
const MOMENTS: [(u64, u64); 12] = [
    (0, 20),
    (3, 20),
    (7, 20),
    (11, 20),
    (14, 20),
    (18, 20),
    (5, 2),
    (13, 5),
    (17, 10),
    (19, 30),
    (2, 50),
    (9, 100),
];

/// Of several plays of one scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    /// Shares of what the server's limit allowed.
    pub(crate) worst: f64,
    pub(crate) mean: f64,
    /// At most.
    pub(crate) seconds: f64,
    pub(crate) throttled: usize,
}

/// 500 calls at once, whoever makes them.
pub(crate) async fn calls(rate: f64, burst: f64, clients: usize) -> Result<Reached, Error> {
    let scenario = Scenario { clients, work: Work::Calls(500), ..scenario(rate, burst) };
    reached(moments(&scenario)).await
}

/// The minute after the limit has doubled again, having been half for a while.
pub(crate) async fn after_a_half(rate: f64, burst: f64) -> Result<Reached, Error> {
    let scenario = scenario(rate, burst);
    let halved = moments(&scenario).enumerate().map(|(number, scenario)| {
        let from = 12.0 + number as f64 * 0.83;
        let to = from + if number % 3 == 0 { 30.0 } else { 10.0 };
        let limits = vec![(0.0, rate), (from, rate / 2.0), (to, rate)];
        Scenario { limits, work: Work::Seconds { from: to, to: to + 60.0 }, ..scenario }
    });
    reached(halved).await
}

/// Two minutes of four clients that know nothing of each other.
async fn shared(rate: f64, burst: f64) -> Result<Reached, Error> {
    let work = Work::Seconds { from: 0.0, to: 120.0 };
    let scenario = Scenario { clients: 4, workers: 4, work, ..scenario(rate, burst) };
    reached(moments(&scenario)).await
}

fn scenario(rate: f64, burst: f64) -> Scenario {
    Scenario {
        clients: 1,
        workers: 8,
        limits: vec![(0.0, rate)],
        burst,
        latency: Duration::ZERO,
        phase: Duration::ZERO,
        work: Work::Calls(500),
        seed: 1,
    }
}

fn moments(scenario: &Scenario) -> impl Iterator<Item = Scenario> {
    MOMENTS.iter().enumerate().map(move |(number, (phase, latency))| Scenario {
        latency: Duration::from_millis(*latency),
        phase: Duration::from_millis(*phase),
        seed: number as u64 + 1,
        ..scenario.clone()
    })
}

async fn reached(scenarios: impl Iterator<Item = Scenario>) -> Result<Reached, Error> {
    let mut all: Vec<Figures> = Vec::new();
    for scenario in scenarios {
        all.push(run_limiters(&scenario, Adaptive::new).await?);
    }
    let goodput = || all.iter().map(Figures::goodput);
    Ok(Reached {
        worst: goodput().fold(f64::INFINITY, f64::min),
        mean: goodput().sum::<f64>() / all.len() as f64,
        seconds: all.iter().map(|figures| figures.seconds).fold(0.0, f64::max),
        throttled: all.iter().map(|figures| figures.throttled).max().unwrap_or_default(),
    })
}

/// Prints the table.
pub(crate) async fn print() -> Result<(), Error> {
    println!(
        "Worst and mean goodput of {} plays each, in percent of what the limit allowed.\n",
        MOMENTS.len()
    );
    println!(
        "{:>5} {:>5} {:>14} {:>5} {:>6} {:>14} {:>17} {:>20}",
        "limit", "burst", "500 calls", "429s", "s", "after a half", "4 clients, 500", "4 clients, 120 s"
    );
    for rate in RATES {
        for burst in BURSTS {
            let one = calls(rate, burst, 1).await?;
            let [half, four, long] =
                [after_a_half(rate, burst).await?, calls(rate, burst, 4).await?, shared(rate, burst).await?];
            println!(
                "{rate:>5} {burst:>5} {:>14} {:>5} {:>6.2} {:>14} {:>17} {:>20}",
                shares(&one),
                one.throttled,
                one.seconds,
                shares(&half),
                shares(&four),
                shares(&long)
            );
        }
    }
    Ok(())
}

fn shares(reached: &Reached) -> String {
    format!("{:.1} {:.1}", reached.worst * 100.0, reached.mean * 100.0)
}
