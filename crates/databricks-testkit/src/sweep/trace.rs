//! The requests of a run, and where two runs went different ways.

use http::Method;

/// One request of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) method: Method,
    pub(super) path: String,
}

impl From<(Method, String)> for Step {
    fn from((method, path): (Method, String)) -> Self {
        Self { method, path }
    }
}

impl Step {
    /// The same with `{id}` for what looks like one, so that runs with other ids compare equal.
    fn shape(&self) -> String {
        let segments: Vec<&str> =
            self.path.split('/').map(|segment| if is_id(segment) { "{id}" } else { segment }).collect();
        format!("{} {}", self.method, segments.join("/"))
    }
}

/// Numbers, and hexadecimal words of at least eight digits with or without dashes.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let hex = segment.bytes().filter(u8::is_ascii_hexdigit).count();
    let only_hex = segment.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    digits > 0 && only_hex && (hex >= 8 || digits == segment.len())
}

/// The first place where a run left the way of the run without a fault.
pub(super) fn first_difference(baseline: &[Step], run: &[Step]) -> Option<String> {
    let pairs = (1..).zip(baseline.iter().zip(run));
    let mut different = pairs.filter(|(_, (a, b))| a.shape() != b.shape());
    different.next().map(|(number, (a, b))| format!("request {number} was {}, not {}", b.shape(), a.shape()))
}

/// How a whole run differs from another that should have been the same.
pub(super) fn differences(name: &str, baseline: &[Step], run: &[Step]) -> Option<String> {
    let (expected, made) = (baseline.len(), run.len());
    let difference = first_difference(baseline, run);
    let count = (expected != made).then(|| format!("it made {made} requests, not {expected}"));
    let both: Vec<String> = count.into_iter().chain(difference).collect();
    (!both.is_empty()).then(|| format!("{name} went another way: {}", both.join("; ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn steps(paths: &[&str]) -> Vec<Step> {
        paths.iter().map(|path| Step { method: Method::GET, path: (*path).to_owned() }).collect()
    }

    #[test]
    fn ids_do_not_make_runs_different_and_words_do() {
        let a = steps(&["/s/01ef-cd90-a61c-1462", "/s/7/x", "/deadbeef"]);
        let b = steps(&["/s/0123456789abcdef", "/s/8/x", "/deadbeef"]);
        assert_eq!(differences("it", &a, &b), None);
        let other = steps(&["/s/0123456789abcdef", "/t/8/x"]);
        assert_eq!(
            differences("it", &a, &other).unwrap(),
            "it went another way: it made 2 requests, not 3; request 2 was GET /t/{id}/x, not GET /s/{id}/x"
        );
    }
}
