//! The client under measure, as a user has it.

use databricks_sql::SqlClient;
use databricks_testkit::ResultServer;
use databricks_transport::{Client, DatabricksConfig, RateLimits};
use futures::TryStreamExt;

use crate::flags::Outcome;
use crate::reading::{Reading, Sink, Target};

pub(crate) fn client(url: &str, token: &str, warehouse: &str, limits: RateLimits) -> Outcome<SqlClient> {
    let config = DatabricksConfig::new(url)?.with_token(token.to_owned()).with_rate_limits(limits);
    Ok(SqlClient::new(&Client::new(config)?, warehouse))
}

pub(crate) async fn read(target: &Target) -> Outcome<Reading> {
    let mut sink = Sink::new(target);
    let limits = if target.no_quota { RateLimits::unlimited() } else { RateLimits::default() };
    let sql = client(&target.url, &target.token, &target.warehouse, limits)?;
    let mut batches = sql.statement(ResultServer::STATEMENT).batches().await?;
    while let Some(batch) = batches.try_next().await? {
        sink.take(&batch)?;
    }
    sink.finish()
}
