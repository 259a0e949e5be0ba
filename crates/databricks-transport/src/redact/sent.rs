//! What a request carried that its answer or its failure may repeat.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderValue, Request, Uri};

use super::Secrets;
use crate::stack::CallState;
use crate::trace::{Traffic, Watch};

/// The shortest part of a presigned link that counts as secret by itself.
const SHORTEST_PART: usize = 8;

/// In a request's extensions: secrets in its body. Only token calls carry such.
#[derive(Clone, Debug)]
pub(crate) struct SentSecrets(pub(crate) Arc<Secrets>);

/// The secrets of one request. Taking them costs a few counters; they are only spelled out when something failed.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    header: Option<HeaderValue>,
    /// A request rarely has more than one.
    more_headers: Vec<HeaderValue>,
    link: Option<Uri>,
    body: Option<SentSecrets>,
    traffic: Traffic,
    watch: Arc<Watch>,
}

impl Sent {
    pub(crate) fn with<B>(request: &Request<B>, call: &CallState, watch: &Arc<Watch>) -> Self {
        let mut sensitive = request.headers().values().filter(|value| value.is_sensitive()).cloned();
        // A link is a credential. Where nothing says what a URI is, it counts as one.
        let traffic = if call.is_of_client() { watch.traffic() } else { Traffic::Storage };
        Self {
            header: sensitive.next(),
            more_headers: sensitive.collect(),
            link: (traffic == Traffic::Storage).then(|| request.uri().clone()),
            body: request.extensions().get::<SentSecrets>().cloned(),
            traffic,
            watch: Arc::clone(watch),
        }
    }

    /// What may be shown of the request and its answer.
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// All of them, and those that the client was configured with.
    pub(crate) fn secrets(&self) -> Secrets {
        let mut secrets = self.watch.known().clone();
        if let Some(SentSecrets(own)) = &self.body {
            secrets.extend(own);
        }
        let headers = self.header.iter().chain(&self.more_headers);
        for value in headers.filter_map(|value| value.to_str().ok()) {
            // `Bearer` and `Basic` are no secrets.
            secrets.add(value.split_once(' ').map_or(value, |(_scheme, rest)| rest));
        }
        if let Some(link) = &self.link {
            add_link(&mut secrets, link);
        }
        secrets
    }

    /// A text of somebody else's without what was sent, and without what looks like a credential.
    pub(crate) fn cleaned(&self, text: &str) -> String {
        self.secrets().cleaned(text)
    }
}

/// The path of a presigned link, each value of its query, and a user that it names.
fn add_link(secrets: &mut Secrets, link: &Uri) {
    let authority = link.authority().map_or("", |authority| authority.as_str());
    if let Some((user, _host)) = authority.rsplit_once('@') {
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        secrets.add_basic(name, password);
        secrets.add_basic(&decoded(name), &decoded(password));
    }
    let values = link.query().unwrap_or_default().split('&');
    let values = values.map(|pair| pair.split_once('=').map_or(pair, |(_name, value)| value));
    for part in values.chain([link.path(), link.query().unwrap_or_default()]) {
        if part.len() >= SHORTEST_PART {
            secrets.add(part);
            secrets.add(&decoded(part));
        }
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::config::DatabricksConfig;
    use std::time::Duration;

    #[test]
    fn what_was_sent_is_taken_out_of_what_comes_back() {
        let mut header = HeaderValue::from_static("Bearer hunter2-hunter2");
        header.set_sensitive(true);
        let request = Request::get("https://me:the-user%21@s.example/in/the-path?X-Sig=in%2Fthe-query&v=1")
            .header("authorization", header)
            .header("x-plain", "not-secret")
            .body(())
            .unwrap();
        let config = DatabricksConfig::new("h.example").unwrap();
        let call = CallState::start(request.method(), Duration::MAX);
        let sent = Sent::with(&request, &call, &Watch::new(&config, Traffic::Storage));
        let said = "https://me:the-user%21@s.example/in/the-path?X-Sig=in%2Fthe-query in/the-query the-user! hunter2-hunter2 not-secret";
        let cleaned = sent.cleaned(said);
        for secret in ["the-path", "the-query", "the-user", "hunter2"] {
            assert!(!cleaned.contains(secret), "{cleaned}");
        }
        assert!(
            cleaned.starts_with("https://me:***@s.example***") && cleaned.ends_with("not-secret"),
            "{cleaned}"
        );
        assert!(!format!("{sent:?}").contains("hunter2"));
    }

    #[test]
    fn a_request_that_a_layer_has_made_itself_may_be_a_link() {
        let request = Request::get("https://s.example/in/the-path?X-Sig=in-the-query").body(()).unwrap();
        let watch = Watch::new(&DatabricksConfig::new("h.example").unwrap(), Traffic::Api);
        let sent = Sent::with(&request, &CallState::of(&request), &watch);
        assert_eq!(sent.traffic(), Traffic::Storage);
        assert!(!sent.cleaned("no /in/the-path with in-the-query").contains("in-the"));
    }
}
