//! Medians and ratios, as lines of a table.

use crate::child::Counts;
use crate::reading::{Reader, Reading};
use crate::setting::Setting;

/// The readings of one setting, by reader. Those of one round have the same index.
#[derive(Default)]
pub(crate) struct Measured {
    readings: Vec<(Reader, Vec<(Reading, Counts)>)>,
}

impl Measured {
    pub(crate) fn push(&mut self, reader: Reader, reading: Reading, counts: Counts) {
        match self.readings.iter_mut().find(|(known, _)| *known == reader) {
            Some((_, readings)) => readings.push((reading, counts)),
            None => self.readings.push((reader, vec![(reading, counts)])),
        }
    }

    fn of(&self, reader: Reader) -> &[(Reading, Counts)] {
        self.readings.iter().find(|(known, _)| *known == reader).map_or(&[], |(_, readings)| readings)
    }

    /// The median of the ratios to the floor, round by round: what disturbs the machine for a while disturbs both.
    fn ratio(&self, reader: Reader, of: impl Fn(&Reading) -> f64) -> Option<f64> {
        let rounds = self.of(reader).iter().zip(self.of(Reader::Floor));
        let ratios: Vec<f64> = rounds.map(|((reading, _), (floor, _))| of(reading) / of(floor)).collect();
        (!ratios.is_empty() && reader != Reader::Floor).then(|| median(ratios))
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
    for reader in Reader::ALL {
        let readings = measured.of(reader);
        if readings.is_empty() {
            continue;
        }
        let of = |value: fn(&(Reading, Counts)) -> f64| median(readings.iter().map(value).collect());
        let target = setting.target.filter(|_| reader == Reader::Ours);
        let cells = [
            setting.name.clone(),
            reader.name().to_owned(),
            whole(of(|(reading, _)| reading.wall_s * 1e3)),
            share(measured.ratio(reader, |reading| reading.wall_s)),
            share(target),
            whole(of(|(reading, _)| reading.first_batch_s * 1e3)),
            share(measured.ratio(reader, |reading| reading.first_batch_s)),
            whole(of(|(reading, _)| reading.cpu_s * 1e3)),
            whole(of(|(reading, _)| reading.peak_rss_mib)),
            whole(of(|(_, counts)| counts.api_calls as f64)),
            whole(of(|(_, counts)| counts.link_gets as f64)),
            whole(of(|(_, counts)| counts.most_links_at_once as f64)),
        ];
        println!("| {} |", cells.join(" | "));
    }
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn share(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.2}"))
}
