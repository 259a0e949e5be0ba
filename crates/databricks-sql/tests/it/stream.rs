//! Results behind links: order, renewal, retries, counts, memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use databricks_sql::SqlError;
use futures::{StreamExt, TryStreamExt};
use serde_json::json;

use crate::leaf::{
    CANCEL, GET, Leaf, Reply, SUBMIT, chunk_line, external, link_page, numbers, numbers_from, plain, result,
    state,
};

async fn all(leaf: &Leaf) -> Result<Vec<i64>, SqlError> {
    leaf.sql().statement("SELECT n FROM t").fetch_all().await
}

#[tokio::test(start_paused = true)]
async fn rows_come_in_order_whatever_the_downloads_do() {
    const CHUNKS: &[u64] = &[300, 1, 7, 500, 20];
    // The first download takes the longest.
    let leaf = external(CHUNKS, |call, _| {
        let file = numbers(CHUNKS, call.chunk());
        Some(Reply::bytes(file).after(Duration::from_secs(5 - call.chunk())))
    });
    let started = tokio::time::Instant::now();
    assert_eq!(all(&leaf).await.unwrap(), (0..828).collect::<Vec<i64>>());
    assert!(started.elapsed() < Duration::from_secs(10), "one after another: {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn link_is_followed_with_its_headers_and_without_our_credential() {
    let leaf = external(&[3], |_, _| None);
    all(&leaf).await.unwrap();
    let download = &leaf.downloads()[0];
    assert_eq!(download.headers["x-key"], "k");
    assert!(!download.headers.contains_key("authorization"));
    assert!(leaf.calls()[0].headers.contains_key("authorization"));
}

#[tokio::test(start_paused = true)]
async fn refused_link_is_resolved_again() {
    let leaf =
        external(&[3, 4], |call, before| (call.chunk() == 1 && before == 0).then(|| Reply::status(403)));
    assert_eq!(all(&leaf).await.unwrap().len(), 7);
    // Once to learn the link, once to renew it.
    assert_eq!(leaf.count(&chunk_line(1)), 2);
}

#[tokio::test(start_paused = true)]
async fn link_near_its_end_is_resolved_before_it_is_used() {
    const CHUNKS: &[u64] = &[3];
    let leaf = Leaf::new(|call, _| match call.line.as_str() {
        SUBMIT => {
            let mut page = link_page(CHUNKS, 0);
            page["external_links"][0]["expiration"] = json!("2020-01-01T00:00:00Z");
            page["external_links"][0]["external_link"] = json!("https://storage.invalid/file/99");
            Reply::json(&result(CHUNKS, &page))
        }
        "GET /file/0" => Reply::bytes(numbers(CHUNKS, 0)),
        line if line == chunk_line(0) => Reply::json(&link_page(CHUNKS, 0)),
        other => panic!("{other}"),
    });
    assert_eq!(all(&leaf).await.unwrap(), [0, 1, 2]);
    assert_eq!(leaf.lines(), [SUBMIT.to_owned(), chunk_line(0), "GET /file/0".to_owned()]);
}

/// Whose clock is wrong is not for the client to say.
#[tokio::test(start_paused = true)]
async fn link_that_looks_expired_is_used_when_there_is_no_other() {
    const CHUNKS: &[u64] = &[3];
    let leaf = Leaf::new(|call, _| match call.line.as_str() {
        SUBMIT => {
            let mut page = link_page(CHUNKS, 0);
            page["external_links"][0]["expiration"] = json!("2020-01-01T00:00:00Z");
            Reply::json(&result(CHUNKS, &page))
        }
        "GET /file/0" => Reply::bytes(numbers(CHUNKS, 0)),
        _ => Reply::status(404),
    });
    assert_eq!(all(&leaf).await.unwrap(), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn broken_downloads_are_repeated() {
    const CHUNKS: &[u64] = &[100, 100];
    for broken in [
        Reply::status(500),
        Reply { content_length: Some(1 << 20), ..Reply::bytes(numbers(CHUNKS, 1)) },
        Reply { content_length: Some(usize::MAX), ..Reply::bytes(numbers(CHUNKS, 1)) },
        Reply::bytes(&numbers(CHUNKS, 1)[..200]),
        Reply::bytes("<html>"),
    ] {
        let leaf =
            external(CHUNKS, move |call, before| (call.chunk() == 1 && before == 0).then(|| broken.clone()));
        assert_eq!(all(&leaf).await.unwrap(), (0..200).collect::<Vec<i64>>());
    }
}

#[tokio::test(start_paused = true)]
async fn chunk_that_stays_broken_is_an_error() {
    let leaf = external(&[5, 5], |call, _| (call.chunk() == 1).then(|| Reply::status(403)));
    let error = all(&leaf).await.unwrap_err();
    let SqlError::Unsettled { statement_id, source } = error else { panic!("{error:?}") };
    assert_eq!((statement_id.as_str(), source.status().unwrap().as_u16()), ("s1", 403));
    assert!(leaf.downloads().len() < 12, "{:?}", leaf.lines());
}

#[tokio::test(start_paused = true)]
async fn rows_past_a_chunk_are_cut_and_missing_ones_are_an_error() {
    const CHUNKS: &[u64] = &[10, 10];
    let more = external(CHUNKS, |call, _| Some(Reply::bytes(numbers_from(call.chunk() * 10, 15))));
    assert_eq!(all(&more).await.unwrap(), (0..20).collect::<Vec<i64>>());
    let less = external(CHUNKS, |call, _| Some(Reply::bytes(numbers_from(call.chunk() * 10, 9))));
    let error = all(&less).await.unwrap_err();
    assert!(matches!(error, SqlError::RowCountMismatch { expected: 10, actual: 9 }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn result_without_its_last_chunk_is_an_error() {
    let leaf = Leaf::new(|call, _| match call.line.as_str() {
        SUBMIT => Reply::json(&result(&[5, 5], &link_page(&[5], 0))),
        _ => Reply::bytes(numbers(&[5], call.chunk())),
    });
    let error = all(&leaf).await.unwrap_err();
    assert!(matches!(error, SqlError::RowCountMismatch { expected: 10, actual: 5 }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn empty_chunk_is_not_the_end() {
    let leaf = external(&[2, 0, 2], |_, _| None);
    assert_eq!(all(&leaf).await.unwrap(), [0, 1, 2, 3]);
    assert_eq!(leaf.downloads().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn prefetch_stays_within_its_budget_of_bytes() {
    // 8,000 bytes a chunk once decoded, counted twice until it is.
    let leaf = external(&[1000; 20], |_, _| None);
    let statement = leaf.sql().statement("SELECT n FROM t").prefetch_bytes(40_000);
    let mut batches = statement.batches().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let ahead = leaf.downloads().len();
    assert!((2..=6).contains(&ahead), "{ahead} chunks of 20 were fetched for a reader who took none");
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await.unwrap() {
        rows += batch.num_rows();
    }
    assert_eq!(rows, 20_000);
}

#[tokio::test(start_paused = true)]
async fn chunk_above_the_budget_still_comes() {
    let leaf = external(&[1000; 5], |_, _| None);
    let statement = leaf.sql().statement("SELECT n FROM t").prefetch_bytes(1);
    assert_eq!(statement.fetch_all::<i64>().await.unwrap().len(), 5000);
}

#[tokio::test(start_paused = true)]
async fn downloads_that_lost_their_connection_while_the_reader_slept_are_begun_again() {
    const CHUNKS: &[u64] = &[1000; 20];
    let patience = Duration::from_secs(30);
    let leaf = plain(CHUNKS, move |file| Reply { impatience: Some(patience), ..Reply::bytes(file) });
    // Room for two files and a half, so that some are held up in the middle.
    let mut rows =
        leaf.sql().statement("SELECT n FROM t").prefetch_bytes(21_000).rows::<i64>().await.unwrap();
    let mut read = Vec::new();
    while let Some(row) = rows.try_next().await.unwrap() {
        if row % 1000 == 0 {
            tokio::time::sleep(patience * 2).await;
        }
        read.push(row);
    }
    assert_eq!(read, (0..20_000).collect::<Vec<i64>>());
    let downloads = leaf.downloads();
    assert!(downloads.len() > 20, "none was held up");
    let most = (0..20).map(|chunk| downloads.iter().filter(|call| call.chunk() == chunk).count()).max();
    assert_eq!(most, Some(2), "what was broken off once is begun again when there is room for all of it");
}

#[tokio::test(start_paused = true)]
async fn downloads_at_once_are_bounded() {
    let leaf =
        external(&[1; 40], |_, _| Some(Reply::bytes(numbers_from(0, 1)).after(Duration::from_secs(25))));
    let open = leaf.sql().statement("SELECT n FROM t").concurrency(4).batches();
    tokio::time::timeout(Duration::from_secs(20), open).await.unwrap_err();
    assert_eq!(leaf.downloads().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn links_of_announced_chunks_are_asked_for_together() {
    const CHUNKS: &[u64] = &[1; 40];
    let leaf = slow_links(CHUNKS, |answer| answer);
    let started = tokio::time::Instant::now();
    assert_eq!(all(&leaf).await.unwrap(), (0..40).collect::<Vec<i64>>());
    assert!(started.elapsed() < Duration::from_secs(8), "one after another: {:?}", started.elapsed());
    // Each once, and none for the first, which came with the answer.
    assert_eq!((leaf.lines().len(), leaf.count(&chunk_line(0))), (1 + 39 + 40, 0));
}

/// A workspace that takes a second for each link; `change` changes the statement's answer.
fn slow_links(
    chunks: &'static [u64],
    change: impl Fn(serde_json::Value) -> serde_json::Value + Send + Sync + 'static,
) -> Leaf {
    Leaf::new(move |call, _| match call.line.as_str() {
        SUBMIT => Reply::json(&change(result(chunks, &link_page(chunks, 0)))),
        line if line.starts_with("GET /file/") => Reply::bytes(numbers(chunks, call.chunk())),
        _ => Reply::json(&link_page(chunks, call.chunk())).after(Duration::from_secs(1)),
    })
}

#[tokio::test(start_paused = true)]
async fn manifest_that_leaves_chunks_out_loses_none() {
    const CHUNKS: &[u64] = &[2, 0, 3, 1, 0, 4, 5];
    for announced in [vec![], vec![0], vec![0, 1, 2], vec![0, 1, 3, 4], vec![2, 3], vec![6], (0..7).collect()]
    {
        let kept = announced.clone();
        let leaf = slow_links(CHUNKS, move |mut answer| {
            let all = answer["manifest"]["chunks"].take();
            let few: Vec<_> = kept.iter().map(|index: &usize| all[*index].clone()).collect();
            answer["manifest"]["chunks"] = json!(few);
            answer
        });
        assert_eq!(all(&leaf).await.unwrap(), (0..15).collect::<Vec<i64>>(), "{announced:?}");
        assert_eq!(leaf.downloads().len(), 5, "{announced:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn chunk_that_is_long_in_coming_holds_up_no_other() {
    let leaf = external(&[1; 40], |call, _| {
        let file = Reply::bytes(numbers_from(call.chunk(), 1));
        (call.chunk() == 1).then(|| file.after(Duration::from_secs(25)))
    });
    let mut batches = leaf.sql().statement("SELECT n FROM t").concurrency(4).batches().await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    // All but the late one were asked for once.
    assert!((40..=41).contains(&leaf.downloads().len()), "{:?}", leaf.lines());
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await.unwrap() {
        rows += batch.num_rows();
    }
    assert_eq!(rows, 40);
}

#[tokio::test(start_paused = true)]
async fn stream_says_what_comes_before_it_comes() {
    let leaf = external(&[2, 1], |_, _| None);
    let mut batches = leaf.sql().statement("SELECT n FROM t").batches().await.unwrap();
    assert_eq!(batches.total_rows(), Some(3));
    assert_eq!(batches.statement_id().as_str(), "s1");
    assert_eq!(batches.columns()[0].sql_type(), "BIGINT");
    assert_eq!(batches.next().await.unwrap().unwrap().schema(), batches.schema());
}

#[tokio::test(start_paused = true)]
async fn statement_stream_runs_when_it_is_polled() {
    let leaf = external(&[2, 1], |_, _| None);
    let stream = leaf.sql().execute_stream::<(i64,)>("SELECT n FROM t");
    assert!(leaf.lines().is_empty());
    let rows: Vec<(i64,)> = stream.try_collect().await.unwrap();
    assert_eq!(rows, [(0,), (1,), (2,)]);
}

#[tokio::test(start_paused = true)]
async fn late_chunk_is_asked_for_once_more_behind_a_fresh_link() {
    const CHUNKS: &[u64] = &[1; 40];
    let leaf = external(CHUNKS, |call, before| {
        let file = Reply::bytes(numbers(CHUNKS, call.chunk())).after(Duration::from_millis(100));
        let stuck = [3, 20, 21].contains(&call.chunk()) && before == 0;
        Some(if stuck { file.after(Duration::from_secs(3600)) } else { file })
    });
    let started = tokio::time::Instant::now();
    assert_eq!(all(&leaf).await.unwrap(), (0..40).collect::<Vec<i64>>());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    for chunk in 0..40 {
        let stuck = [3, 20, 21].contains(&chunk);
        assert_eq!(leaf.count(&format!("GET /file/{chunk}")), if stuck { 2 } else { 1 }, "{chunk}");
        assert_eq!(leaf.count(&chunk_line(chunk)), usize::from(chunk > 0) + usize::from(stuck), "{chunk}");
    }
}

#[tokio::test(start_paused = true)]
async fn late_link_is_asked_for_once_more() {
    const CHUNKS: &[u64] = &[1; 10];
    let leaf = Leaf::new(|call, before| match call.line.as_str() {
        SUBMIT => Reply::json(&result(CHUNKS, &link_page(CHUNKS, 0))),
        line if line.starts_with("GET /file/") => Reply::bytes(numbers(CHUNKS, call.chunk())),
        line if line == chunk_line(4) && before == 0 => {
            Reply::json(&link_page(CHUNKS, 4)).after(Duration::from_secs(25))
        }
        _ => Reply::json(&link_page(CHUNKS, call.chunk())),
    });
    let started = tokio::time::Instant::now();
    assert_eq!(all(&leaf).await.unwrap(), (0..10).collect::<Vec<i64>>());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!((leaf.count(&chunk_line(4)), leaf.count(&chunk_line(5))), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn late_chunk_whose_second_request_fails_is_still_waited_for() {
    const CHUNKS: &[u64] = &[1; 10];
    let leaf = external(CHUNKS, |call, before| {
        let file = Reply::bytes(numbers(CHUNKS, call.chunk()));
        match (call.chunk(), before) {
            (4, 0) => Some(file.after(Duration::from_secs(20))),
            (4, _) => Some(Reply::status(404)),
            _ => Some(file),
        }
    });
    assert_eq!(all(&leaf).await.unwrap(), (0..10).collect::<Vec<i64>>());
    assert_eq!(leaf.count("GET /file/4"), 2);
}

#[tokio::test(start_paused = true)]
async fn slow_links_get_more_downloads_at_once_and_a_limit_is_kept() {
    const CHUNKS: &[u64] = &[1; 400];
    let most_at_once = |limit: Option<usize>| async move {
        let open = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let (counted, seen) = (Arc::clone(&open), Arc::clone(&most));
        let leaf = external(CHUNKS, move |call, _| {
            seen.fetch_max(counted.load(Ordering::SeqCst), Ordering::SeqCst);
            Some(Reply::bytes(numbers(CHUNKS, call.chunk())).after(Duration::from_secs(1)))
        })
        .counting(open);
        let statement = leaf.sql().statement("SELECT n FROM t");
        let statement = limit.map_or(statement.clone(), |limit| statement.concurrency(limit));
        assert_eq!(statement.fetch_all::<i64>().await.unwrap().len(), 400);
        most.load(Ordering::SeqCst)
    };
    assert_eq!(most_at_once(Some(5)).await, 5);
    assert_eq!(most_at_once(None).await, 64);
}

#[tokio::test(start_paused = true)]
async fn small_result_behind_a_link_is_one_round_trip_and_its_link() {
    let leaf = external(&[1], |_, _| None);
    assert_eq!(all(&leaf).await.unwrap(), [0]);
    assert_eq!(leaf.lines(), [SUBMIT, "GET /file/0"]);
}

#[tokio::test(start_paused = true)]
async fn result_is_read_again_as_long_as_the_server_has_it() {
    let done = external(&[2, 1], |_, _| None);
    let leaf = Leaf::new(move |call, before| match call.line.as_str() {
        SUBMIT => state("PENDING"),
        GET => done.reply(&SUBMIT.into(), 0),
        _ => done.reply(call, before),
    });
    let sql = leaf.sql();
    let id = sql.statement("SELECT n FROM t").submit().await.unwrap().id().as_str().to_owned();
    let handle = sql.attach(id.as_str());
    let rows: Vec<i64> = handle.rows::<i64>().await.unwrap().try_collect().await.unwrap();
    let batches = handle.batches().await.unwrap().try_collect::<Vec<_>>().await.unwrap();
    assert_eq!((rows, batches.len()), (vec![0, 1, 2], 2));
    assert_eq!(handle.wait().await.unwrap().num_rows(), 3);
    assert_eq!((leaf.count(SUBMIT), leaf.count(CANCEL)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn rows_that_the_server_attaches_come_before_those_behind_links() {
    const CHUNKS: &[u64] = &[3, 2];
    let leaf = Leaf::new(|call, _| {
        // The attached file has more rows than its chunk.
        let attached = STANDARD.encode(numbers_from(0, 7));
        let page = json!({"chunk_index": 0, "row_count": 3, "attachment": attached, "next_chunk_index": 1});
        match call.line.as_str() {
            SUBMIT => Reply::json(&result(CHUNKS, &page)),
            line if line == chunk_line(1) => Reply::json(&link_page(CHUNKS, 1)),
            _ => Reply::bytes(numbers(CHUNKS, call.chunk())),
        }
    });
    assert_eq!(all(&leaf).await.unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(leaf.lines(), [SUBMIT.to_owned(), chunk_line(1), "GET /file/1".to_owned()]);
}
