//! The calls of the warehouses API.

use databricks_transport::{ApiRequest, Client, Error, ErrorKind, Operation, encode_segment};
use serde::Deserialize;

use super::{Warehouse, WarehouseWait};
use crate::{Result, SqlError, WarehouseId};

const WAREHOUSES: &str = "/api/2.0/sql/warehouses";

const GET: Operation = Operation::new("warehouses.get").idempotent();
const LIST: Operation = Operation::new("warehouses.list").idempotent();
// A warehouse that runs stays so when it is started once more, and one that is stopped when it is stopped.
const START: Operation = Operation::new("warehouses.start").idempotent();
const STOP: Operation = Operation::new("warehouses.stop").idempotent();

/// The warehouses of a workspace. Cheap to clone.
///
/// ```no_run
/// use databricks_sql::WarehousesClient;
///
/// # async fn run(client: databricks_transport::Client) -> Result<(), databricks_sql::SqlError> {
/// let warehouses = WarehousesClient::new(&client);
/// for warehouse in warehouses.list().await? {
///     println!("{} {} {}", warehouse.id, warehouse.name, warehouse.state);
/// }
/// warehouses.start("1234567890abcdef").await?;
/// let running = warehouses.wait_until_running("1234567890abcdef").send().await?;
/// println!("{:?} clusters", running.num_clusters);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct WarehousesClient {
    client: Client,
}

impl WarehousesClient {
    /// The warehouses of the client's workspace.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone() }
    }

    /// One warehouse.
    ///
    /// # Errors
    /// [`SqlError::Transport`] when there is none, or none that this user may see.
    pub async fn get(&self, id: impl Into<WarehouseId>) -> Result<Warehouse> {
        let id = id.into();
        Ok(self.client.call(GET, ApiRequest::get(path(&id)?)).await?)
    }

    /// The warehouses that this user may see.
    ///
    /// # Errors
    /// [`SqlError::Transport`] when the server does not say.
    pub async fn list(&self) -> Result<Vec<Warehouse>> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let page: Page = self.client.call(LIST, page_request(token.as_deref())).await?;
            all.extend(page.warehouses.unwrap_or_default());
            match page.next_page_token.filter(|next| !next.is_empty()) {
                // Following such a token would never end.
                Some(next) if token.as_ref() == Some(&next) => return Err(repeated(&next)),
                Some(next) => token = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Starts a warehouse and returns at once; [`wait_until_running`](Self::wait_until_running) waits. One that runs
    /// already is left as it is.
    ///
    /// # Errors
    /// [`SqlError::Transport`] when the server did not take the request.
    pub async fn start(&self, id: impl Into<WarehouseId>) -> Result<()> {
        self.change(START, &id.into(), "start").await
    }

    /// Stops a warehouse and returns at once. Statements that run on it end in an error.
    ///
    /// # Errors
    /// [`SqlError::Transport`] when the server did not take the request.
    pub async fn stop(&self, id: impl Into<WarehouseId>) -> Result<()> {
        self.change(STOP, &id.into(), "stop").await
    }

    /// Begins to wait until a warehouse runs. It is not started by that: [`start`](Self::start) does.
    pub fn wait_until_running(&self, id: impl Into<WarehouseId>) -> WarehouseWait {
        WarehouseWait::new(self.clone(), id.into())
    }

    async fn change(&self, operation: Operation, id: &WarehouseId, action: &str) -> Result<()> {
        let call = ApiRequest::post(format!("{}/{action}", path(id)?)).json(&serde_json::json!({}))?;
        self.client.send(operation, call).await?;
        Ok(())
    }
}

/// One page of the list; without a token it is the last.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    warehouses: Option<Vec<Warehouse>>,
    #[serde(default)]
    next_page_token: Option<String>,
}

fn page_request(token: Option<&str>) -> ApiRequest {
    let request = ApiRequest::get(WAREHOUSES);
    match token {
        Some(token) => request.query("page_token", token),
        None => request,
    }
}

/// An empty id would address the list.
fn path(id: &WarehouseId) -> Result<String> {
    if id.as_str().is_empty() {
        let message = "the warehouse's id is empty; name one, such as `1234567890abcdef`";
        return Err(SqlError::Transport(Error::new(ErrorKind::Invalid, message)));
    }
    Ok(format!("{WAREHOUSES}/{}", encode_segment(id.as_str())))
}

fn repeated(token: &str) -> SqlError {
    let message = format!("{WAREHOUSES} answered page token `{token}` to a request with that same token");
    SqlError::Transport(Error::new(ErrorKind::Decode, message))
}
