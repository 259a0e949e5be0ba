//! The client under measure, as a user has it.

use databricks_sql::SqlClient;
use databricks_testkit::ResultServer;
use databricks_transport::{Client, DatabricksConfig};
use futures::TryStreamExt;

use crate::flags::Outcome;
use crate::reading::{Reading, Sink, Target};

pub(crate) fn client(url: &str, token: &str, warehouse: &str) -> Outcome<SqlClient> {
    let client = Client::new(DatabricksConfig::new(url)?.with_token(token.to_owned()))?;
    Ok(SqlClient::new(&client, warehouse))
}

pub(crate) async fn read(target: &Target) -> Outcome<Reading> {
    let mut sink = Sink::new(target);
    let sql = client(&target.url, &target.token, &target.warehouse)?;
    let mut batches = sql.statement(ResultServer::STATEMENT).batches().await?;
    while let Some(batch) = batches.try_next().await? {
        sink.take(&batch)?;
    }
    sink.finish()
}
