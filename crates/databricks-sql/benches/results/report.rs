//! Medians and ratios, as lines of a table.

use crate::child::Counts;
use crate::reading::{Reader, Reading};
use crate::setting::Setting;

/// The readings of one setting. Those of one pair have the same index.
#[derive(Default)]
pub(crate) struct Measured {
    floor: Vec<(Reading, Counts)>,
    ours: Vec<(Reading, Counts)>,
}

impl Measured {
    pub(crate) fn push(&mut self, reader: Reader, reading: Reading, counts: Counts) {
        match reader {
            Reader::Floor => self.floor.push((reading, counts)),
            Reader::Ours => self.ours.push((reading, counts)),
        }
    }

    /// The median of the ratios of pairs: what disturbs the machine for a while disturbs both of a pair.
    fn ratio(&self, of: impl Fn(&Reading) -> f64) -> f64 {
        let pairs = self.ours.iter().zip(&self.floor);
        median(pairs.map(|((ours, _), (floor, _))| of(ours) / of(floor)).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn print_head() {
    println!(
        "wall and first batch in ms, cpu in ms, peak RSS in MiB; medians, and of ratios the median over pairs\n"
    );
    println!(
        "| setting | reader | wall | x floor | target | first batch | x floor | cpu | peak RSS | API calls | link GETs | streams |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
}

pub(crate) fn print(setting: &Setting, measured: &Measured) {
    let target = setting.target.map_or(String::new(), |target| format!("{target:.2}"));
    let floor = line("floor", &measured.floor);
    if !measured.floor.is_empty() {
        println!(
            "| {} | {} | {} | | | {} | | {} |",
            setting.name, floor.reader, floor.wall, floor.first, floor.rest
        );
    }
    let ours = line("ours", &measured.ours);
    let (wall, first) = match measured.floor.is_empty() {
        true => (String::new(), String::new()),
        false => (
            format!("{:.2}", measured.ratio(|reading| reading.wall_s)),
            format!("{:.2}", measured.ratio(|reading| reading.first_batch_s)),
        ),
    };
    println!(
        "| {} | {} | {} | {wall} | {target} | {} | {first} | {} |",
        setting.name, ours.reader, ours.wall, ours.first, ours.rest
    );
}

struct Line {
    reader: &'static str,
    wall: String,
    first: String,
    rest: String,
}

fn line(reader: &'static str, readings: &[(Reading, Counts)]) -> Line {
    let of = |value: fn(&(Reading, Counts)) -> f64| median(readings.iter().map(value).collect());
    let rest = [
        of(|(reading, _)| reading.cpu_s * 1e3),
        of(|(reading, _)| reading.peak_rss_mib),
        of(|(_, counts)| counts.api_calls as f64),
        of(|(_, counts)| counts.link_gets as f64),
        of(|(_, counts)| counts.most_links_at_once as f64),
    ];
    Line {
        reader,
        wall: format!("{:.0}", of(|(reading, _)| reading.wall_s * 1e3)),
        first: format!("{:.0}", of(|(reading, _)| reading.first_batch_s * 1e3)),
        rest: rest.map(|value| format!("{value:.0}")).join(" | "),
    }
}
