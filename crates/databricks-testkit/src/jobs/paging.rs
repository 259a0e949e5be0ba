//! Pages: of the long arrays inside one job or run, and of lists.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::api_error::ApiFailure;

/// Elements of an array that one answer holds.
pub(super) const ELEMENTS: usize = 100;

/// Cuts the named arrays of an object to one page, and gives the token of the next page if there is one.
pub(super) fn cut(object: &mut Map<String, Value>, arrays: &[&str], offset: usize) -> Option<String> {
    let mut more = false;
    for name in arrays {
        if let Some(Value::Array(items)) = object.get_mut(*name) {
            more |= items.len() > offset.saturating_add(ELEMENTS);
            *items = std::mem::take(items).into_iter().skip(offset).take(ELEMENTS).collect();
        }
    }
    more.then(|| encode(&format!("elements:{}", offset.saturating_add(ELEMENTS))))
}

/// The offset a token of [`cut`] stands for.
pub(super) fn offset(token: Option<&str>) -> Result<usize, ApiFailure> {
    let Some(token) = token else { return Ok(0) };
    let number = decode(token).and_then(|text| text.strip_prefix("elements:")?.parse().ok());
    number.ok_or_else(|| unknown(token))
}

/// One page of a list, newest first.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
    pub(super) previous: Option<String>,
}

/// Where a page of a list begins. Numbers are those items were made with, so that new items do not shift pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Newest,
    OlderThan(u64),
    NewerThan(u64),
}

/// A page of items that stand newest first.
pub(super) fn page<T>(
    items: Vec<(u64, T)>,
    limit: usize,
    skip: usize,
    token: Option<&str>,
) -> Result<Page<T>, ApiFailure> {
    let start = match token {
        None => Start::Newest,
        Some(token) => decode(token).as_deref().and_then(parse).ok_or_else(|| unknown(token))?,
    };
    let newest = items.first().map(|(number, _)| *number);
    let oldest = items.last().map(|(number, _)| *number);
    let items: Vec<(u64, T)> = match start {
        Start::Newest => items.into_iter().skip(skip).take(limit).collect(),
        Start::OlderThan(number) => items.into_iter().filter(|(n, _)| *n < number).take(limit).collect(),
        Start::NewerThan(number) => {
            let newer: Vec<(u64, T)> = items.into_iter().filter(|(n, _)| *n > number).collect();
            let surplus = newer.len().saturating_sub(limit);
            newer.into_iter().skip(surplus).collect()
        }
    };
    let first = items.first().map(|(number, _)| *number);
    let last = items.last().map(|(number, _)| *number);
    let next = last.filter(|last| oldest != Some(*last)).map(|last| encode(&format!("older:{last}")));
    let previous =
        first.filter(|first| newest != Some(*first)).map(|first| encode(&format!("newer:{first}")));
    Ok(Page { items: items.into_iter().map(|(_, item)| item).collect(), next, previous })
}

fn parse(text: &str) -> Option<Start> {
    let (side, number) = text.split_once(':')?;
    let number = number.parse().ok()?;
    match side {
        "older" => Some(Start::OlderThan(number)),
        "newer" => Some(Start::NewerThan(number)),
        _ => None,
    }
}

/// A list's answer: what it holds is left out when there is nothing.
pub(super) fn answer(name: &str, page: Page<Value>) -> Value {
    let Page { items, next, previous } = page;
    let mut answer = json!({ "has_more": next.is_some() });
    if !items.is_empty() {
        answer[name] = json!(items);
    }
    if let Some(next) = next {
        answer["next_page_token"] = json!(next);
    }
    if let Some(previous) = previous {
        answer["prev_page_token"] = json!(previous);
    }
    answer
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn decode(token: &str) -> Option<String> {
    URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok())
}

fn unknown(token: &str) -> ApiFailure {
    ApiFailure::invalid(format!("'{token}' is not a page token of this workspace."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    fn numbered(count: u64) -> Vec<(u64, u64)> {
        (0..count).rev().map(|n| (n, n)).collect()
    }

    proptest! {
        #[test]
        fn following_tokens_gives_every_item_once_and_back_again(count in 0_u64..60, limit in 1_usize..20) {
            let (mut seen, mut token, mut back) = (Vec::new(), None, None);
            loop {
                let page = page(numbered(count), limit, 0, token.as_deref()).unwrap();
                seen.extend(page.items);
                back = page.previous.or(back);
                match page.next {
                    Some(next) => token = Some(next),
                    None => break,
                }
            }
            prop_assert_eq!(seen, (0..count).rev().collect::<Vec<_>>());
            if let Some(back) = back {
                let page = page(numbered(count), limit, 0, Some(&back)).unwrap();
                prop_assert_eq!(page.items.len(), limit);
            }
        }
    }

    #[test]
    fn new_items_do_not_shift_a_page() {
        let first = page(numbered(10), 4, 0, None).unwrap();
        let second = page(numbered(15), 4, 0, first.next.as_deref()).unwrap();
        assert_eq!((first.items, second.items), (vec![9, 8, 7, 6], vec![5, 4, 3, 2]));
    }

    #[test]
    fn strange_tokens_are_refused() {
        for token in ["", "x", "b2xkZXI6LTE", &encode("older:99999999999999999999"), &encode("elements:-1")] {
            assert!(page(numbered(3), 4, 0, Some(token)).is_err(), "{token}");
            assert!(offset(Some(token)).is_err(), "{token}");
        }
        assert_eq!(page(numbered(3), 4, 0, Some(&encode("older:0"))).unwrap().items, Vec::<u64>::new());
    }
}
