//! The limits of a client as values, and which class a path belongs to.

use std::cmp::Reverse;

use super::policy::{PolicyFactory, RatePolicy};
use super::rate::Rate;
use crate::error::Error;

/// The limits of a client: one over everything, one for each endpoint class, one for every other endpoint.
///
/// A class is a prefix of the path, whole segments, without `/api/2.x`; `*` stands for any one segment. The longest that
/// fits wins, and of two equally long ones the one that names the segment. On a 429 the class pauses for `Retry-After`
/// and its rate adapts as its policy says: [`Adaptive`](crate::Adaptive) unless set.
///
/// The default: 100 a second for the client; `/jobs/runs/submit` 100, `/jobs/runs/get` 1000, `/sql/statements` 200
/// and `/unity-catalog` 500 a minute; 1000 a minute for the others together. The chunks of results,
/// `/sql/statements/*/result/chunks`, have 100 a second: their calls start nothing on a warehouse, and one large result needs
/// more of them than the statements' quota has. So they wait for the client's limit alone until the server says 429.
///
/// ```
/// use databricks_transport::{Rate, RateLimits};
///
/// let limits = RateLimits::default().with_class("/sql/statements/*/cancel", Rate::per_second(20.0));
/// assert_eq!(limits.class_of("/api/2.0/sql/statements/01ef"), "/sql/statements");
/// assert_eq!(limits.class_of("/api/2.0/sql/statements/01ef/cancel"), "/sql/statements/*/cancel");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimits {
    client: Option<Rate>,
    others: Option<Rate>,
    /// In the order in which they are tried: those with more segments first, then those with fewer `*`.
    classes: Vec<Class>,
    policy: PolicyFactory,
}

/// A class of endpoints and its limit.
#[derive(Clone, Debug, PartialEq)]
struct Class {
    prefix: String,
    /// So many bytes of the prefix stand before its first `*`; all of them when it has none.
    named: usize,
    rate: Option<Rate>,
}

/// The class of the paths that no other class matches.
pub(crate) const OTHERS: &str = "default";
/// In a prefix: any one segment.
const ANY: &str = "*";

impl Default for RateLimits {
    fn default() -> Self {
        let limits = Self {
            client: Some(Rate::per_second(100.0)),
            others: Some(Rate::per_minute(1000.0)),
            classes: Vec::new(),
            policy: PolicyFactory::default(),
        };
        limits
            .with_class("/jobs/runs/submit", Rate::per_minute(100.0))
            .with_class("/jobs/runs/get", Rate::per_minute(1000.0))
            .with_class("/sql/statements", Rate::per_minute(200.0))
            .with_class("/sql/statements/*/result/chunks", Rate::per_second(100.0))
            .with_class("/unity-catalog", Rate::per_minute(500.0))
    }
}

impl RateLimits {
    /// No limits of ours. The classes remain, so that `Retry-After` still pauses one; for servers in this process.
    pub fn unlimited() -> Self {
        let Self { classes, policy, .. } = Self::default();
        let classes = classes.into_iter().map(|class| Class { rate: None, ..class }).collect();
        Self { client: None, others: None, classes, policy }
    }

    /// The limit of the whole client.
    #[must_use]
    pub fn with_client(mut self, rate: Rate) -> Self {
        self.client = Some(rate);
        self
    }

    /// The limit of the endpoints that belong to no class.
    #[must_use]
    pub fn with_others(mut self, rate: Rate) -> Self {
        self.others = Some(rate);
        self
    }

    /// The limit of a class: of the endpoints whose path, without `/api/2.x`, starts with `prefix`, where a
    /// segment `*` stands for any one.
    #[must_use]
    pub fn with_class(mut self, prefix: impl Into<String>, rate: Rate) -> Self {
        let prefix = format!("/{}", prefix.into().trim_matches('/'));
        self.classes.retain(|known| known.prefix != prefix);
        self.classes.push(Class {
            named: prefix.find(ANY).unwrap_or(prefix.len()),
            prefix,
            rate: Some(rate),
        });
        self.classes.sort_by_cached_key(|class| order(&class.prefix));
        self
    }

    /// How the classes adapt: `make` is given the base rate of a class and returns its policy. [`Adaptive`](crate::Adaptive) unless set.
    /// The limit of the whole client does not adapt.
    ///
    /// ```
    /// use databricks_transport::{Adaptive, FixedRate, RateLimits};
    ///
    /// let gentle = RateLimits::default().with_policy(|base| Adaptive::new(base).with_backoff(0.7));
    /// let fixed = RateLimits::default().with_policy(FixedRate);
    /// ```
    #[must_use]
    pub fn with_policy<P: RatePolicy + 'static>(
        mut self,
        make: impl Fn(Rate) -> P + Send + Sync + 'static,
    ) -> Self {
        self.policy = PolicyFactory::new(make);
        self
    }

    /// The limit of the whole client, if there is one.
    pub fn client(&self) -> Option<Rate> {
        self.client
    }

    /// The class of a path: its prefix, or `default`.
    pub fn class_of(&self, path: &str) -> &str {
        self.position_of(path).and_then(|at| self.classes.get(at)).map_or(OTHERS, |class| &class.prefix)
    }

    /// Which of the [`classes`](Self::classes) a path belongs to, if it is one of them.
    pub(crate) fn position_of(&self, path: &str) -> Option<usize> {
        let path = without_version(path);
        self.classes.iter().position(|class| class.has(path))
    }

    pub(crate) fn others(&self) -> Option<Rate> {
        self.others
    }

    /// In the order in which they are tried.
    pub(crate) fn classes(&self) -> impl Iterator<Item = (&str, Option<Rate>)> {
        self.classes.iter().map(|class| (class.prefix.as_str(), class.rate))
    }

    pub(crate) fn policy(&self) -> &PolicyFactory {
        &self.policy
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let adapting = || self.classes.iter().map(|class| class.rate).chain([self.others]).flatten();
        adapting().chain(self.client).try_for_each(|rate| rate.validate())?;
        adapting().try_for_each(|base| self.policy.make(base).validate())
    }
}

/// `/api/2.1/unity-catalog/x` is `/unity-catalog/x`.
fn without_version(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/api/") else { return path };
    match rest.find('/') {
        Some(end) if rest.bytes().take(end).all(|byte| byte.is_ascii_digit() || byte == b'.') => {
            rest.get(end..).unwrap_or(path)
        }
        _ => path,
    }
}

/// Longer ones first, in segments; then those that say more.
fn order(prefix: &str) -> (Reverse<usize>, usize, String) {
    let segments = prefix.split('/');
    let unnamed = segments.clone().filter(|segment| *segment == ANY).count();
    (Reverse(segments.count()), unnamed, prefix.to_owned())
}

impl Class {
    /// Whether the path begins with the prefix, segment by segment.
    fn has(&self, path: &str) -> bool {
        let Some(rest) = self.prefix.get(..self.named).and_then(|named| path.strip_prefix(named)) else {
            return false;
        };
        if self.named == self.prefix.len() {
            return rest.is_empty() || rest.starts_with('/');
        }
        let mut path = path.split('/');
        let mut wanted = self.prefix.split('/');
        wanted.all(|wanted| path.next().is_some_and(|segment| wanted == segment || wanted == ANY))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_longest_prefix_of_whole_segments_wins_in_any_version() {
        let limits = RateLimits::default().with_class("/jobs", Rate::per_second(1.0));
        let table = [
            ("/api/2.1/jobs/runs/submit", "/jobs/runs/submit"),
            ("/api/2.2/jobs/runs/get", "/jobs/runs/get"),
            ("/api/2.2/jobs/runs/get-output", "/jobs"),
            ("/api/2.0/jobs/list", "/jobs"),
            ("/api/2.0/sql/statements", "/sql/statements"),
            ("/api/2.0/sql/statements/01ef/cancel", "/sql/statements"),
            ("/api/2.0/sql/statements/", "/sql/statements"),
            ("/api/2.0/sql/statements/01ef/result/chunks/7", "/sql/statements/*/result/chunks"),
            ("/api/2.0/sql/statements/01ef/result/chunksx", "/sql/statements"),
            ("/api/2.0/sql/statements/result/chunks/7", "/sql/statements"),
            ("/api/2.0/sql/statementsx", OTHERS),
            ("/api/2.1/unity-catalog/tables/c.s.t", "/unity-catalog"),
            ("/unity-catalog/tables", "/unity-catalog"),
            ("/api/preview/unity-catalog", OTHERS),
            ("/api/2.0/fs/files/Volumes/c/s/v/jobs", OTHERS),
            ("/", OTHERS),
        ];
        for (path, class) in table {
            assert_eq!(limits.class_of(path), class, "{path}");
        }
    }

    #[test]
    fn any_segment_is_a_longer_prefix_than_none_and_a_named_one_goes_before_it() {
        let limits = ["/a", "/a/*", "/a/*/c", "/a/b/*", "/a/b"]
            .into_iter()
            .fold(RateLimits::unlimited(), |limits, prefix| limits.with_class(prefix, Rate::per_second(1.0)));
        let table = [
            ("/a", "/a"),
            ("/a/x", "/a/*"),
            ("/a/x/y", "/a/*"),
            ("/a/x/c/d", "/a/*/c"),
            ("/a/b", "/a/b"),
            ("/a/b/c", "/a/*/c"),
            ("/a/b/x", "/a/b/*"),
            ("/ax/b", OTHERS),
            ("/A/b", OTHERS),
        ];
        for (path, class) in table {
            assert_eq!(limits.class_of(path), class, "{path}");
        }
    }

    #[test]
    fn a_class_set_again_is_replaced() {
        let limits = RateLimits::default().with_class("sql/statements/", Rate::per_second(9.0));
        let rates: Vec<_> = limits.classes().filter(|(prefix, _)| *prefix == "/sql/statements").collect();
        assert_eq!(rates, [("/sql/statements", Some(Rate::per_second(9.0)))]);
    }

    #[test]
    fn a_burst_is_one_windows_worth_and_never_zero() {
        assert_eq!(Rate::per_minute(200.0).burst().get(), 200);
        assert_eq!(Rate::per_second(0.5).burst().get(), 1);
        assert_eq!(Rate::per_second(f64::NAN).burst().get(), 1);
        assert_eq!(Rate::per_second(5.0).with_burst(0).burst().get(), 1);
    }

    #[test]
    fn rates_that_no_clock_can_keep_are_refused() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9, 1e9] {
            assert!(Rate::per_second(bad).validate().is_err(), "{bad}");
        }
        RateLimits::default().validate().unwrap();
        RateLimits::unlimited().validate().unwrap();
    }
}
