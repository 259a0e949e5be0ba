//! The calls about functions. Making one is SQL's business (`CREATE FUNCTION`), and the API can do it too.

use databricks_transport::{ApiRequest, Operation};
use futures::stream::BoxStream;
use serde_json::{Value, json};

use super::client::{object, within};
use super::{CatalogClient, FunctionInfo};
use crate::{Result, validate_object_name};

const LIST_FUNCTIONS: Operation = Operation::new("unity.list_functions").idempotent();
const GET_FUNCTION: Operation = Operation::new("unity.get_function").idempotent();
const CREATE_FUNCTION: Operation = Operation::new("unity.create_function");
const DELETE_FUNCTION: Operation = Operation::new("unity.delete_function");

const FUNCTIONS: &str = "/api/2.1/unity-catalog/functions";

impl CatalogClient {
    /// The functions of a schema.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`](crate::SchemaError::InvalidName); items as in [`list_catalogs`](Self::list_catalogs).
    pub fn list_functions(
        &self,
        catalog: &str,
        schema: &str,
    ) -> Result<BoxStream<'static, Result<FunctionInfo>>> {
        let query = within(catalog, schema)?;
        Ok(self.list(LIST_FUNCTIONS, FUNCTIONS, query))
    }

    /// One function.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport) of kind `NotFound` when there is none.
    pub async fn get_function(&self, catalog: &str, schema: &str, function: &str) -> Result<FunctionInfo> {
        let path = function_path(catalog, schema, function)?;
        Ok(self.client.call(GET_FUNCTION, ApiRequest::get(path)).await?)
    }

    /// Makes a function. Its parameters, types and body are told by the fields of `definition`, as the API documents
    /// them (`input_params`, `data_type`, `routine_body`, ..); its name and place are added here.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport) of kind `AlreadyExists` when the name is taken, `Invalid` for a definition that the
    /// server does not take; [`SchemaError::InvalidName`](crate::SchemaError::InvalidName).
    pub async fn create_function(
        &self,
        catalog: &str,
        schema: &str,
        function: &str,
        definition: serde_json::Map<String, Value>,
    ) -> Result<FunctionInfo> {
        function_path(catalog, schema, function)?;
        let mut info = definition;
        for (key, value) in [("catalog_name", catalog), ("schema_name", schema), ("name", function)] {
            info.insert(key.to_owned(), json!(value));
        }
        let request = ApiRequest::post(FUNCTIONS).json(&json!({ "function_info": info }))?;
        Ok(self.client.call(CREATE_FUNCTION, request).await?)
    }

    /// Drops a function.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport) of kind `NotFound` when there is none.
    pub async fn delete_function(&self, catalog: &str, schema: &str, function: &str) -> Result<()> {
        self.silent(DELETE_FUNCTION, ApiRequest::delete(function_path(catalog, schema, function)?)).await
    }
}

fn function_path(catalog: &str, schema: &str, function: &str) -> Result<String> {
    within(catalog, schema)?;
    validate_object_name("function", function)?;
    Ok(object(FUNCTIONS, &format!("{catalog}.{schema}.{function}")))
}
