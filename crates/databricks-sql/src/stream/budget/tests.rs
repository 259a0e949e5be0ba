//! What a budget gives, to whom, and when.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use futures::FutureExt;

#[tokio::test]
async fn chunk_waits_until_its_bytes_fit() {
    let budget = Budget::new(100);
    let first = budget.reserve(0, 60).await;
    let mut second = Box::pin(budget.reserve(1, 50));
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    assert_eq!(second.await.bytes(), 50);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn chunk_above_the_budget_is_let_in_alone() {
    let budget = Budget::new(100);
    let small = budget.reserve(0, 1).await;
    assert!(budget.reserve(1, 500).now_or_never().is_none());
    drop(small);
    let big = budget.reserve(1, 500).await;
    assert!(budget.reserve(2, 1).now_or_never().is_none());
    drop(big);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn grown_reservation_keeps_others_out_until_it_shrinks() {
    let budget = Budget::new(100);
    let mut held = budget.reserve(0, 10).await;
    held.set(150);
    let mut next = Box::pin(budget.reserve(1, 50));
    assert!((&mut next).now_or_never().is_none());
    held.shrink(100);
    assert_eq!(next.await.bytes(), 50);
    assert_eq!(budget.used(), 50);
    drop(held);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn later_parts_are_served_in_the_order_of_the_result_and_the_first_is_kept_its_own() {
    let budget = Budget::new(100);
    let mut first = budget.begin(0, 40, 9).await;
    let mut second = budget.begin(1, 40, 9).await;
    let mut third = budget.begin(2, 40, 9).await;
    assert_eq!(budget.used(), 30);
    // 30 more are kept for the first, so that there is room for 40, by parts of 10.
    third.cover(11).now_or_never().unwrap();
    third.cover(31).now_or_never().unwrap();
    second.cover(11).now_or_never().unwrap();
    assert_eq!((first.bytes(), second.bytes(), third.bytes(), budget.used()), (10, 20, 40, 70));
    let mut begin = Box::pin(budget.begin(3, 4, 9));
    assert!((&mut begin).now_or_never().is_none());
    let mut early = Box::pin(second.cover_all());
    assert!((&mut early).now_or_never().is_none());
    first.cover_all().now_or_never().unwrap();
    assert_eq!((first.bytes(), budget.used()), (40, 100));
    // What comes back goes to the second before anything new begins.
    first.shrink(19);
    assert!((&mut early).now_or_never().is_none() && (&mut begin).now_or_never().is_none());
    first.shrink(1);
    assert!(early.now_or_never().is_some());
    assert!(second.take_waited() && !second.waited() && !first.waited());
    assert!((&mut begin).now_or_never().is_none());
    drop(first);
    assert!(begin.now_or_never().is_some());
}

#[tokio::test]
async fn the_chunk_that_the_reader_waits_for_is_never_refused() {
    let budget = Budget::new(110);
    let mut first = budget.begin(0, 100, 9).await;
    let mut other = budget.begin(1, 10, 9).await;
    other.set(50);
    first.cover(90).now_or_never().unwrap();
    assert_eq!((first.bytes(), budget.used()), (100, 150));
}

#[tokio::test]
async fn who_gives_up_waiting_leaves_nothing_behind() {
    let budget = Budget::new(100);
    let held = budget.reserve(0, 100).await;
    let mut gave_up = Box::pin(budget.reserve(1, 10));
    assert!((&mut gave_up).now_or_never().is_none());
    drop(gave_up);
    let mut served = Box::pin(budget.reserve(2, 10));
    assert!((&mut served).now_or_never().is_none());
    drop(held);
    drop(served);
    assert_eq!(budget.used(), 0);
    assert_eq!(budget.reserve(3, 100).now_or_never().map(|all| all.bytes()), Some(100));
}

#[tokio::test]
async fn a_smaller_chunk_than_expected_gives_back_what_it_does_not_need() {
    let budget = Budget::new(100);
    let mut held = budget.begin(0, 100, 9).await;
    held.expect(20);
    assert_eq!((held.bytes(), held.waited()), (20, false));
    held.cover(21).await;
    assert_eq!((held.bytes(), held.waited()), (21, false));
}

#[tokio::test]
async fn no_more_are_begun_beside_many_unfinished_ones() {
    let budget = Budget::new(1000);
    let mut begun: Vec<_> = (0..9).filter_map(|chunk| budget.begin(chunk, 40, 3).now_or_never()).collect();
    assert_eq!(begun.len(), 4);
    let mut next = Box::pin(budget.begin(9, 40, 3));
    assert!((&mut next).now_or_never().is_none());
    for chunk in &mut begun {
        chunk.cover_all().now_or_never().unwrap();
    }
    assert!(next.now_or_never().is_some());
}

#[tokio::test]
async fn who_gives_up_waiting_stands_in_nobodys_way() {
    let budget = Budget::new(100);
    let _held = budget.reserve(0, 60).await;
    let mut gave_up = Box::pin(budget.reserve(1, 50));
    let mut behind = Box::pin(budget.reserve(2, 40));
    assert!((&mut gave_up).now_or_never().is_none() && (&mut behind).now_or_never().is_none());
    drop(gave_up);
    assert_eq!(behind.now_or_never().map(|held| held.bytes()), Some(40));
}

#[tokio::test]
async fn what_is_kept_for_a_chunk_that_turns_out_smaller_is_handed_out() {
    let budget = Budget::new(100);
    let mut first = budget.begin(0, 100, 9).await;
    let mut next = Box::pin(budget.reserve(1, 60));
    assert!((&mut next).now_or_never().is_none());
    first.expect(30);
    assert_eq!((first.bytes(), next.now_or_never().map(|held| held.bytes())), (25, Some(60)));
}
