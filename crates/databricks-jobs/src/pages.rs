//! Answers in pages: lists as streams, long arrays of one object put together.

use databricks_transport::{ApiRequest, Client, Error, ErrorKind, Operation};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{JobError, Result};

/// A list about to be asked for, page by page.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    client: Client,
    operation: Operation,
    path: &'static str,
    /// The field of a page that holds the items.
    items: &'static str,
    query: Vec<(&'static str, String)>,
}

/// What to ask for next.
enum Next {
    First,
    After(String),
    Nothing,
}

impl Listing {
    pub(crate) fn new(client: Client, operation: Operation, path: &'static str, items: &'static str) -> Self {
        Self { client, operation, path, items, query: Vec::new() }
    }

    /// Sets a filter; a later value for the same name wins.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.retain(|(set, _)| *set != name);
        self.query.push((name, value.to_string()));
        self
    }

    /// The items; pages are asked for as the stream is read, and the stream ends with an error.
    pub(crate) fn stream<T: DeserializeOwned + Send + 'static>(self) -> BoxStream<'static, Result<T>> {
        let start = (self, Next::First, Tokens::default());
        let pages = stream::try_unfold(start, |(list, next, mut tokens)| async move {
            let token = match next {
                Next::First => None,
                Next::After(token) => Some(token),
                Next::Nothing => return Ok(None),
            };
            let mut page: Map<String, Value> =
                list.client.call(list.operation, list.page(token.as_deref())).await?;
            let items = match page.remove(list.items) {
                None | Some(Value::Null) => Vec::new(),
                Some(items) => read::<Vec<T>>(items, list.path)?,
            };
            let next =
                match page.get("next_page_token").and_then(Value::as_str).filter(|next| !next.is_empty()) {
                    Some(next) => {
                        tokens.follow(next, list.path)?;
                        Next::After(next.to_owned())
                    }
                    None => Next::Nothing,
                };
            Ok::<_, JobError>(Some((stream::iter(items.into_iter().map(Ok)), (list, next, tokens))))
        });
        pages.try_flatten().boxed()
    }

    fn page(&self, token: Option<&str>) -> ApiRequest {
        let request = ApiRequest::get(self.path);
        let request = self.query.iter().fold(request, |request, (name, value)| request.query(name, value));
        match token {
            Some(token) => request.query("page_token", token),
            None => request,
        }
    }
}

/// Reads a part of an answer.
pub(crate) fn read<T: DeserializeOwned>(value: Value, path: &str) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| {
        let message = format!("the answer of {path} is not what this client knows: {error}");
        Error::new(ErrorKind::Decode, message).with_source(error)
    })
}

/// The tokens of the pages of one object or list. They must not lead back to each other: following them would never end.
#[derive(Default)]
pub(crate) struct Tokens(std::collections::HashSet<String>);

impl Tokens {
    /// The next token, unless it was followed before.
    pub(crate) fn follow(&mut self, token: &str, what: impl std::fmt::Display) -> Result<(), Error> {
        if self.0.insert(token.to_owned()) {
            return Ok(());
        }
        let message = format!("the pages of {what} lead back to each other: token `{token}` came twice");
        Err(Error::new(ErrorKind::Decode, message))
    }
}

/// Adds the named lists of a further page to those of the pages before.
pub(crate) fn append(object: &mut Map<String, Value>, mut page: Map<String, Value>, lists: &[&str]) {
    for name in lists {
        if let Some(Value::Array(more)) = page.remove(*name) {
            match object.get_mut(*name) {
                Some(Value::Array(known)) => known.extend(more),
                _ => drop(object.insert((*name).to_owned(), Value::Array(more))),
            }
        }
    }
}
