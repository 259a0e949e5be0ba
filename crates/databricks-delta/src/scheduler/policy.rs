//! When a table is to be looked after, and how.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveTime, Utc};

use crate::error::{DeltaError, Result};

/// Bytes below which a file counts as small: half of what Databricks aims at when it compacts by itself.
const SMALL_FILE: u64 = 64 << 20;
/// How often a table is vacuumed that is vacuumed at all.
const VACUUM_EVERY: Duration = Duration::from_secs(24 * 3600);

/// When a table is due for OPTIMIZE and VACUUM, and how it is laid out.
///
/// The default optimizes after more than 10 writes or at more than 100 small files, and never vacuums.
///
/// ```
/// use std::time::Duration;
/// use databricks_delta::{MaintenancePolicy, QuietHours};
///
/// let hours = |hour| chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
/// let policy = MaintenancePolicy::default()
///     .optimize_every(Duration::from_secs(24 * 3600))
///     .zorder_by(["customer_id"])
///     .vacuum_retention_hours(7 * 24)
///     .quiet_hours(QuietHours::between(hours(8), hours(18)));
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct MaintenancePolicy {
    pub(super) optimize_every: Option<Duration>,
    pub(super) max_writes: Option<u64>,
    pub(super) max_small_files: Option<u64>,
    pub(super) small_file_bytes: u64,
    pub(super) zorder: Vec<String>,
    pub(super) clustering: Vec<String>,
    pub(super) vacuum: Option<VacuumPolicy>,
    pub(super) quiet: Option<QuietHours>,
}

/// When a table is vacuumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VacuumPolicy {
    pub(super) every: Duration,
    /// Hours, where they are not the table's own.
    pub(super) retain_hours: Option<u64>,
}

impl Default for VacuumPolicy {
    fn default() -> Self {
        Self { every: VACUUM_EVERY, retain_hours: None }
    }
}

impl Default for MaintenancePolicy {
    fn default() -> Self {
        Self { max_writes: Some(10), max_small_files: Some(100), ..Self::manual() }
    }
}

impl MaintenancePolicy {
    /// A policy by which nothing is ever due.
    pub fn manual() -> Self {
        Self {
            optimize_every: None,
            max_writes: None,
            max_small_files: None,
            small_file_bytes: SMALL_FILE,
            zorder: Vec::new(),
            clustering: Vec::new(),
            vacuum: None,
            quiet: None,
        }
    }

    /// Optimizes a table that was written to when its last OPTIMIZE (or else its creation) is this long ago.
    pub fn optimize_every(mut self, interval: Duration) -> Self {
        self.optimize_every = Some(interval);
        self
    }

    /// Optimizes a table after more than so many writes.
    pub fn max_writes(mut self, writes: u64) -> Self {
        self.max_writes = Some(writes);
        self
    }

    /// Optimizes a table that was written to and has more than so many small files.
    pub fn max_small_files(mut self, files: u64) -> Self {
        self.max_small_files = Some(files);
        self
    }

    /// Bytes below which a file counts as small: 64 MiB unless set.
    pub fn small_file_bytes(mut self, bytes: u64) -> Self {
        self.small_file_bytes = bytes;
        self
    }

    /// Each OPTIMIZE sorts rows with near values of these columns into the same files.
    pub fn zorder_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.zorder = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The table is clustered by these columns (liquid clustering). One that is clustered otherwise is due: its
    /// clustering is changed, and all of its rows are clustered anew.
    pub fn clustered_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.clustering = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Vacuums a table that has files to remove when its last VACUUM is this long ago: a day unless set.
    pub fn vacuum_every(mut self, interval: Duration) -> Self {
        self.vacuum.get_or_insert_default().every = interval;
        self
    }

    /// Vacuums, and keeps files that a version of the last `hours` needs: the table's own retention (7 days) unless
    /// set. The server refuses less than that.
    pub fn vacuum_retention_hours(mut self, hours: u64) -> Self {
        self.vacuum.get_or_insert_default().retain_hours = Some(hours);
        self
    }

    /// Begins nothing at these times of the day.
    pub fn quiet_hours(mut self, hours: QuietHours) -> Self {
        self.quiet = Some(hours);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |option, value: String, reason: &str| {
            Err(DeltaError::InvalidOption { option, value, reason: reason.to_owned() })
        };
        if !self.zorder.is_empty() && !self.clustering.is_empty() {
            let reason = "a table with liquid clustering takes no Z-order: leave one out";
            return refuse("zorder_by", self.zorder.join(", "), reason);
        }
        if self.zorder.iter().chain(&self.clustering).any(String::is_empty) {
            return refuse("zorder_by", "``".to_owned(), "a column has a name");
        }
        if let Some(quiet) = self.quiet.filter(|quiet| quiet.from == quiet.to) {
            let reason = "it begins when it ends: give two times of the day";
            return refuse("quiet_hours", quiet.from.to_string(), reason);
        }
        Ok(())
    }
}

/// Hours of every day in which no maintenance begins. What has begun goes on to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct QuietHours {
    from: NaiveTime,
    to: NaiveTime,
    zone: Option<FixedOffset>,
}

impl QuietHours {
    /// From a time of the day (UTC) to another, which is of the next day when it is the earlier one. `to` is the first
    /// moment that is not quiet.
    pub fn between(from: NaiveTime, to: NaiveTime) -> Self {
        Self { from, to, zone: None }
    }

    /// Reads the times in a zone of this offset.
    pub fn in_zone(mut self, zone: FixedOffset) -> Self {
        self.zone = Some(zone);
        self
    }

    /// Whether it is quiet at this time.
    pub fn contains(&self, time: DateTime<Utc>) -> bool {
        let time = self.zone.map_or_else(|| time.time(), |zone| time.with_timezone(&zone).time());
        match self.from <= self.to {
            true => self.from <= time && time < self.to,
            false => self.from <= time || time < self.to,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn time(text: &str) -> NaiveTime {
        text.parse().unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-01-02T{text}Z").parse().unwrap()
    }

    #[test]
    fn quiet_hours_may_reach_over_midnight_and_lie_in_a_zone() {
        let day = QuietHours::between(time("08:00:00"), time("18:00:00"));
        let night = QuietHours::between(time("22:00:00"), time("06:00:00"));
        for (moment, by_day, by_night) in [
            ("08:00:00", true, false),
            ("07:59:59", false, false),
            ("17:59:59", true, false),
            ("18:00:00", false, false),
            ("22:00:00", false, true),
            ("23:59:59", false, true),
            ("00:00:00", false, true),
            ("06:00:00", false, false),
        ] {
            assert_eq!(
                (day.contains(at(moment)), night.contains(at(moment))),
                (by_day, by_night),
                "{moment}"
            );
        }
        let east = day.in_zone(FixedOffset::east_opt(2 * 3600).unwrap());
        assert!(east.contains(at("06:00:00")) && !east.contains(at("16:00:00")));
    }

    #[test]
    fn policies_that_cannot_be_are_refused_by_the_setting() {
        let noon = time("12:00:00");
        let policy = MaintenancePolicy::default;
        for (policy, refused) in [
            (policy().zorder_by(["a"]).clustered_by(["b"]), "zorder_by"),
            (policy().zorder_by([""]), "zorder_by"),
            (policy().quiet_hours(QuietHours::between(noon, noon)), "quiet_hours"),
        ] {
            let error = policy.check().unwrap_err();
            assert!(
                matches!(&error, DeltaError::InvalidOption { option, .. } if *option == refused),
                "{error}"
            );
        }
        assert!(policy().zorder_by(["a"]).vacuum_retention_hours(0).check().is_ok());
    }
}
