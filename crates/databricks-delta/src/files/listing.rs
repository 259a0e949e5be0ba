//! The pages of a directory's content.

use std::collections::VecDeque;

use databricks_transport::{ApiRequest, Client, Operation};
use futures::stream::{self, Stream};
use serde::Deserialize;

use super::DirectoryEntry;
use super::path::directory_url;
use crate::error::Result;

const LIST: Operation = Operation::new("files.list").idempotent();

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    contents: Vec<DirectoryEntry>,
    #[serde(default)]
    next_page_token: Option<String>,
}

/// A directory being listed.
pub(super) struct Listing {
    client: Client,
    path: String,
    next: Next,
    ready: VecDeque<DirectoryEntry>,
}

enum Next {
    First,
    Page(String),
    End,
}

impl Listing {
    pub(super) fn stream(client: Client, path: String) -> impl Stream<Item = Result<DirectoryEntry>> + Send {
        let listing = Self { client, path, next: Next::First, ready: VecDeque::new() };
        stream::try_unfold(listing, |mut listing| async move {
            Ok(listing.next_entry().await?.map(|entry| (entry, listing)))
        })
    }

    async fn next_entry(&mut self) -> Result<Option<DirectoryEntry>> {
        // A page can be empty and still name a next one.
        while self.ready.is_empty() {
            let mut request = ApiRequest::get(directory_url(&self.path)?);
            match std::mem::replace(&mut self.next, Next::End) {
                Next::First => {}
                Next::Page(token) => request = request.query("page_token", token),
                Next::End => return Ok(None),
            }
            let page: Page = self.client.call(LIST, request).await?;
            self.ready = page.contents.into();
            self.next = page.next_page_token.filter(|token| !token.is_empty()).map_or(Next::End, Next::Page);
        }
        Ok(self.ready.pop_front())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_listed_file_has_its_size_and_time() {
        let page: Page = serde_json::from_str(
            r#"{"contents":[{"path":"/Volumes/a/b/c/x","is_directory":false,"file_size":5,"last_modified":1717406255000,"name":"x"},
               {"path":"/Volumes/a/b/c/d","is_directory":true,"name":"d"}],"next_page_token":"t"}"#,
        )
        .unwrap();
        let [file, directory] = page.contents.as_slice() else { panic!("two entries") };
        assert_eq!((file.file_size, file.is_directory), (Some(5), false));
        assert_eq!(file.last_modified.unwrap().timestamp(), 1_717_406_255);
        assert!(directory.is_directory && directory.last_modified.is_none());
    }
}
