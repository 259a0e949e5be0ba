//! Round trips of each kind of statement, as the server counts them.

use databricks_sql::{SqlClient, SqlError};
use databricks_testkit::{ResultServer, ResultServerStats};
use databricks_transport::RateLimits;
use futures::TryStreamExt;
use futures::future::BoxFuture;

use crate::flags::Outcome;
use crate::ours;

type Kind = (&'static str, fn(SqlClient) -> BoxFuture<'static, Result<(), SqlError>>);

const KINDS: [Kind; 5] = [
    ("SELECT 1, execute()", |sql| Box::pin(async move { sql.execute("SELECT 1").await.map(drop) })),
    ("SELECT 1, fetch_all()", |sql| {
        Box::pin(async move { sql.statement("SELECT 1").fetch_all::<(i32,)>().await.map(drop) })
    }),
    ("SELECT 1, inline().batches()", |sql| {
        Box::pin(async move { drain(sql.statement("SELECT 1").inline().batches().await?).await })
    }),
    ("20 chunks, batches()", |sql| {
        Box::pin(async move { drain(sql.statement(ResultServer::STATEMENT).batches().await?).await })
    }),
    ("20 chunks, submit() and batches()", |sql| {
        Box::pin(async move {
            let handle = sql.statement(ResultServer::STATEMENT).submit().await?;
            drain(handle.batches().await?).await
        })
    }),
];

async fn drain(mut batches: databricks_sql::BatchStream) -> Result<(), SqlError> {
    while batches.try_next().await?.is_some() {}
    Ok(())
}

pub(crate) fn print() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = ResultServer::builder().rows(2_000).chunks(20).lz4(true).start().await?;
        println!("\n| statement | submissions | polls | chunk calls | other calls | link GETs |\n|---|---|---|---|---|---|");
        for (name, run) in KINDS {
            let sql = ours::client(&server.url(), server.token(), server.warehouse(), RateLimits::default())?;
            run(sql).await?;
            let ResultServerStats { submissions, polls, chunk_calls, cancels, other_calls, link_gets, .. } =
                server.take_stats();
            println!("| {name} | {submissions} | {polls} | {chunk_calls} | {} | {link_gets} |", cancels + other_calls);
        }
        server.shutdown().await;
        Ok(())
    })
}
