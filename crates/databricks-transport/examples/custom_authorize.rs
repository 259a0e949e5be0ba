//! A credential of the program's own making: tokens from a vault, kept for their life and renewed ahead of its end.
//!
//! It runs without a workspace: a service in the place of the network shows which token each call was signed with.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use databricks_transport::{
    ApiRequest, Authorization, Authorize, Body, Client, DatabricksConfig, Error, Operation,
};
use http::{Request, Response};

/// The program's own store of tokens.
#[derive(Default)]
struct Vault {
    asked: AtomicU32,
}

impl Authorize for Vault {
    async fn authorize(&self) -> Result<Authorization, Error> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let token = format!("token-{number}");
        Ok(Authorization::bearer(token)?.expires_in(Duration::from_secs(3600)))
    }

    fn auth_type(&self) -> &str {
        "vault"
    }
}

const ME: Operation = Operation::new("scim.me").idempotent();

#[tokio::main]
async fn main() -> Result<(), Error> {
    let network = tower::service_fn(|request: Request<Body>| {
        let signature = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let answer = serde_json::json!({ "signed_with": signature }).to_string();
        futures::future::ready(Ok(Response::new(Body::from(answer))))
    });
    let config = DatabricksConfig::new("https://h.example")?.with_authorize(Vault::default());
    let client = Client::builder(config).leaf(network).build()?;
    for _ in 0..2 {
        let answer: serde_json::Value =
            client.call(ME, ApiRequest::get("/api/2.0/preview/scim/v2/Me")).await?;
        println!("{answer}");
    }
    Ok(())
}
