//! Lists as streams: one request a page, asked for when the stream gets there.

use databricks_transport::{ApiRequest, Client, Error, ErrorKind, Operation};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Result, SchemaError};

/// One page. An empty one may have a successor.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Page<T> {
    #[serde(
        alias = "catalogs",
        alias = "schemas",
        alias = "tables",
        alias = "volumes",
        alias = "functions",
        alias = "privilege_assignments",
        default = "Vec::new"
    )]
    items: Vec<T>,
    #[serde(default)]
    next_page_token: Option<String>,
}

/// A list: where it is and what it is asked with.
pub(super) struct List {
    pub(super) operation: Operation,
    pub(super) path: String,
    /// Objects a page at most; 0 lets the server choose.
    pub(super) page_size: u32,
    pub(super) query: Vec<(&'static str, String)>,
}

impl List {
    fn page(&self, token: Option<&str>) -> ApiRequest {
        // Without `max_results` the server answers unpaged, which it is about to stop doing.
        let request = ApiRequest::get(&self.path).query("max_results", self.page_size);
        let request = self.query.iter().fold(request, |request, (name, value)| request.query(name, value));
        match token {
            Some(token) => request.query("page_token", token),
            None => request,
        }
    }
}

/// What to ask for next.
enum Next {
    First,
    After(String),
    Nothing,
}

/// All items of all pages.
pub(super) fn items<T>(client: Client, list: List) -> BoxStream<'static, Result<T>>
where
    T: DeserializeOwned + Send + 'static,
{
    let start = (client, list, Next::First, Circle::default());
    let pages = stream::try_unfold(start, |(client, list, next, mut circle)| async move {
        let token = match next {
            Next::First => None,
            Next::After(token) => Some(token),
            Next::Nothing => return Ok(None),
        };
        let page: Page<T> = client.call(list.operation, list.page(token.as_deref())).await?;
        let next = match page.next_page_token.filter(|next| !next.is_empty()) {
            Some(next) if circle.closes(&next) => return Err(SchemaError::from(repeated(&list, &next))),
            Some(next) => Next::After(next),
            None => Next::Nothing,
        };
        let items = stream::iter(page.items.into_iter().map(Ok));
        Ok(Some((items, (client, list, next, circle))))
    });
    pages.try_flatten().boxed()
}

/// Finds a token that comes back, of which there would be no end.
///
/// One token is remembered, each for twice as many pages as the one before it: so a circle of any length is found in
/// the memory of one token (Brent's way).
#[derive(Default)]
struct Circle {
    remembered: String,
    pages: u64,
    kept_for: u64,
}

impl Circle {
    fn closes(&mut self, token: &str) -> bool {
        if token == self.remembered {
            return true;
        }
        self.pages += 1;
        if self.pages >= self.kept_for {
            token.clone_into(&mut self.remembered);
            (self.pages, self.kept_for) = (0, (self.kept_for * 2).max(1));
        }
        false
    }
}

fn repeated(list: &List, token: &str) -> Error {
    let message = format!("{} answered page token `{token}` once more: the list would never end", list.path);
    Error::new(ErrorKind::Decode, message)
}
