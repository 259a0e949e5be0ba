//! What the user sees: steps, progress bars and small tables.

use std::{fmt::Display, time::Duration};

use comfy_table::{Table, presets};
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};

/// Announces a step.
pub(crate) fn step(text: impl Display) {
    println!("\n▸ {text}");
}

/// Says something about the current step.
pub(crate) fn note(text: impl Display) {
    println!("  {text}");
}

/// Rows and what they took, with the rate.
pub(crate) fn rate(rows: u64, took: Duration) -> String {
    let per_second = rows as f64 / took.as_secs_f64().max(1e-9);
    format!(
        "{} rows in {:.2} s ({} rows/s)",
        HumanCount(rows),
        took.as_secs_f64(),
        HumanCount(per_second as u64)
    )
}

/// A bar that counts rows; nothing is drawn where the output is no terminal.
pub(crate) fn rows_bar(rows: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("  {bar:40} {human_pos}/{human_len} rows {msg}");
    ProgressBar::new(rows).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Prints a small table.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for line in table.to_string().lines() {
        println!("  {line}");
    }
}

/// How long the whole program took.
pub(crate) fn duration(took: Duration) -> String {
    if took < Duration::from_secs(60) {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        HumanDuration(took).to_string()
    }
}
