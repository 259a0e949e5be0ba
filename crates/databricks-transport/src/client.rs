//! The client: the only thing here that does I/O, and the one place where an answer's status becomes an error.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::body::Body;
use crate::builder::ClientBuilder;
use crate::circuit_breaker::{Circuit, Circuits};
use crate::config::DatabricksConfig;
use crate::error::{ApiError, CallSummary, Error, ErrorKind};
use crate::operation::Operation;
use crate::rate_limit::{RateLimitState, RateLimiters};
use crate::redact::{mark_sensitive, without_quotes};
use crate::request::{ApiRequest, Origin};
use crate::service::{Answered, Outgoing, Stack};
use crate::stack::{CallState, NotRepeated};
use crate::trace::count_error;

/// The largest JSON answer that [`Client::call`] reads; inline results end at 25 MiB.
const LARGEST_JSON: usize = 128 * 1024 * 1024;

/// This client, as servers see it.
pub(crate) const NAME: &str = concat!("databricks-delta-lake-rs/", env!("CARGO_PKG_VERSION"));

/// A connection to one workspace. Cheap to clone; clones share connections, limits and state.
///
/// [`call`](Client::call) is for JSON, [`send`](Client::send) for any other body, [`fetch_link`](Client::fetch_link) for
/// the storage links that the API hands out, [`send_to_storage`](Client::send_to_storage) for a cloud's storage. Dropping
/// a call's future ends it; only a token that is being asked for still comes, for the next call.
///
/// `Debug` shows the configuration, never a secret.
///
/// ```no_run
/// use databricks_transport::{ApiRequest, Client, DatabricksConfig, ErrorKind, Operation};
/// use serde::Deserialize;
///
/// const GET_RUN: Operation = Operation::new("jobs.get_run").idempotent();
///
/// #[derive(Deserialize)]
/// struct Run {
///     run_id: u64,
/// }
///
/// # async fn example() -> Result<(), databricks_transport::Error> {
/// let client = Client::new(DatabricksConfig::from_env()?)?;
/// let request = ApiRequest::get("/api/2.2/jobs/runs/get").query("run_id", 7);
/// match client.call::<Run>(GET_RUN, request).await {
///     Ok(run) => println!("{}", run.run_id),
///     Err(error) if error.kind() == ErrorKind::NotFound => println!("there is no such run"),
///     Err(error) => return Err(error),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: DatabricksConfig,
    user_agent: HeaderValue,
    /// Where requests go; none when the configured host does not fit into a request.
    origin: Option<Origin>,
    stacks: Stacks,
}

/// What a builder puts together: where requests enter, and what can be asked about them.
pub(crate) struct Stacks {
    pub(crate) api: Stack,
    pub(crate) links: Stack,
    pub(crate) circuits: Arc<Circuits>,
    pub(crate) limiters: RateLimiters,
}

impl Client {
    /// A client with the standard stack. Nothing is sent or read before its first request.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the configuration is incomplete or cannot be used.
    pub fn new(config: DatabricksConfig) -> Result<Self, Error> {
        Self::builder(config).build()
    }

    /// A builder, to add layers or to replace the network.
    pub fn builder(config: DatabricksConfig) -> ClientBuilder {
        ClientBuilder::new(config)
    }

    pub(crate) fn assemble(config: DatabricksConfig, stacks: Stacks) -> Self {
        let (user_agent, origin) = (user_agent(&config), origin(&config));
        Self(Arc::new(Inner { config, user_agent, origin, stacks }))
    }

    /// The configuration it was built with.
    pub fn config(&self) -> &DatabricksConfig {
        &self.0.config
    }

    /// The circuits of all hosts it has talked to: the workspace, and those of storage links. Empty when the circuit
    /// breaker is turned off.
    ///
    /// ```no_run
    /// # use databricks_transport::{CircuitState, Client};
    /// # fn show(client: &Client) {
    /// for circuit in client.circuits() {
    ///     if circuit.state == CircuitState::Open {
    ///         println!("{} is left alone for {:?}: {:?}", circuit.host, circuit.retry_in, circuit.last_failure);
    ///     }
    /// }
    /// # }
    /// ```
    pub fn circuits(&self) -> Vec<Circuit> {
        self.0.stacks.circuits.all()
    }

    /// What its rate limits do right now: rates in force, who waits, which class the server has paused.
    pub fn rate_limits(&self) -> Vec<RateLimitState> {
        self.0.stacks.limiters.states()
    }

    /// Its limiters, to share them with another client of the same workspace.
    pub fn rate_limiters(&self) -> RateLimiters {
        self.0.stacks.limiters.clone()
    }

    /// Sends a request to the workspace. The answer is a 2xx; its body is streamed.
    ///
    /// ```no_run
    /// use databricks_transport::{ApiRequest, Client, Operation, encode_path};
    ///
    /// const READ: Operation = Operation::new("files.read").idempotent();
    ///
    /// # async fn example(client: &Client) -> Result<(), databricks_transport::Error> {
    /// let path = encode_path("/Volumes/main/weather/raw/day 1.csv");
    /// let answer = client.send(READ, ApiRequest::get(format!("/api/2.0/fs/files{path}"))).await?;
    /// let bytes = answer.into_body().collect(16 * 1024 * 1024).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Every other status is an error with the server's [`ApiError`]; so is what kept the answer away.
    pub async fn send(&self, operation: Operation, request: ApiRequest) -> Result<Response<Body>, Error> {
        let answer = async {
            let call_off = request.call_off().cloned();
            let request = self.addressed(request)?;
            let call = Arc::new(self.start(&operation, request.method()).unless(call_off));
            self.run_signed(Outgoing::new(request, &operation, &call)).await
        };
        count_error(answer.await.map(|answer| *answer))
    }

    /// Sends a request and reads its answer as JSON. An empty body stands for `null` or `{}`, and `{}` for `()`.
    ///
    /// # Errors
    /// As [`send`](Client::send), and [`ErrorKind::Decode`] when the answer is not the JSON that is expected. A good
    /// answer that cannot be read leaves a request that changes something [ambiguous](Error::is_ambiguous).
    pub async fn call<T: DeserializeOwned>(
        &self,
        operation: Operation,
        request: ApiRequest,
    ) -> Result<T, Error> {
        count_error(self.read(operation, request).await)
    }

    async fn read<T: DeserializeOwned>(&self, operation: Operation, request: ApiRequest) -> Result<T, Error> {
        let call_off = request.call_off().cloned();
        let mut request = self.addressed(request)?;
        request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        let changes = !request.method().is_safe();
        let call = self.start(&operation, request.method()).reading_whole(LARGEST_JSON).unless(call_off);
        let call = Arc::new(call);
        let answer = self.run_signed(Outgoing::new(request, &operation, &call)).await;
        let (head, body) = answer?.into_parts();
        // The server did what was asked: only its words about it cannot be read.
        let unreadable = |error: Error| {
            let summary = CallSummary { ambiguous: false, ..call.summary(&operation) };
            error.with_ambiguous(changes).with_call(summary)
        };
        let body = body.collect(LARGEST_JSON).await.map_err(unreadable)?;
        decode(&body).map_err(|error| unreadable(undecodable(&head.headers, error)))
    }

    /// Follows a presigned storage link, an absolute URI, on a stack without a credential: an `Authorization` header
    /// is taken off. The answer is a 2xx; its body is streamed.
    ///
    /// # Errors
    /// As [`send`](Client::send). [`ErrorKind::Invalid`] when the URI is not absolute.
    pub async fn fetch_link(
        &self,
        operation: Operation,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Error> {
        if request.uri().authority().is_none() {
            let error = Error::new(ErrorKind::Invalid, "a storage link must be an absolute URI");
            return count_error(Err(error));
        }
        request.headers_mut().remove(AUTHORIZATION);
        let call = Arc::new(self.start(&operation, request.method()));
        let request = Outgoing::new(request, &operation, &call);
        count_error(self.run(&self.0.stacks.links, request).await.map(|answer| *answer))
    }

    /// Sends a request to a cloud's storage, an absolute URI, on the stack of storage links: the workspace's credential
    /// does not go along, while an `Authorization` header that the caller has made for this storage does. The answer is a
    /// 2xx and is read whole: up to `limit` bytes.
    ///
    /// # Errors
    /// As [`fetch_link`](Client::fetch_link): of a refusal only the status and the code are kept.
    pub async fn send_to_storage(
        &self,
        operation: Operation,
        mut request: Request<Body>,
        limit: usize,
    ) -> Result<Response<Bytes>, Error> {
        let answer = async {
            if request.uri().authority().is_none() {
                return Err(Error::new(ErrorKind::Invalid, "a URI of a storage must be absolute"));
            }
            // The connection writes its own.
            request.headers_mut().remove(HOST);
            mark_sensitive(request.headers_mut());
            let call = Arc::new(self.start(&operation, request.method()).reading_whole(limit));
            let request = Outgoing::new(request, &operation, &call);
            let answer = self.run(&self.0.stacks.links, request).await?;
            let (head, body) = answer.into_parts();
            let body =
                body.collect(limit).await.map_err(|error| error.with_call(call.summary(&operation)))?;
            Ok(Response::from_parts(head, body))
        };
        count_error(answer.await)
    }

    /// The request with the workspace's host and our name on it.
    fn addressed(&self, request: ApiRequest) -> Result<Request<Body>, Error> {
        let mut request = request.build_for(self.origin()?)?;
        // The connection writes its own.
        request.headers_mut().remove(HOST);
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.0.user_agent.clone());
        Ok(request)
    }

    fn origin(&self) -> Result<Origin, Error> {
        self.0.origin.clone().ok_or_else(|| {
            let host = self.0.config.host();
            Error::new(ErrorKind::Config, format!("the host `{host}` cannot be used in a request"))
        })
    }

    /// A call that begins now.
    fn start(&self, operation: &Operation, method: &Method) -> CallState {
        CallState::start(method, operation.total_timeout().unwrap_or(self.0.config.total_timeout()))
    }

    async fn run_signed(&self, request: Outgoing<'_>) -> Answered {
        let answer = self.run(&self.0.stacks.api, request).await;
        answer.map_err(|error| match self.hint(&error) {
            Some(hint) => error.with_hint(hint),
            None => error,
        })
    }

    async fn run(&self, stack: &Stack, request: Outgoing<'_>) -> Answered {
        let (operation, call) = (request.operation, request.call);
        let answer = stack.send(request).await;
        answer.and_then(good).map_err(|error| error.with_call(call.summary(operation)))
    }

    /// Which credential was refused, and what to check. Workspaces answer 401, or 403 with a word about the token.
    fn hint(&self, error: &Error) -> Option<String> {
        let refused = match error.status()? {
            StatusCode::UNAUTHORIZED => true,
            StatusCode::FORBIDDEN => error.message().to_ascii_lowercase().contains("access token"),
            _ => false,
        };
        if !refused {
            return None;
        }
        let config = &self.0.config;
        let used = config.credential().ok()?.describe();
        let host = config.host().host_str().unwrap_or_default();
        Some(format!("Check that {used} is complete, not expired or revoked, and belongs to {host}."))
    }
}

/// A 2xx as it is, anything else as an error.
fn good(mut response: Box<Response<Body>>) -> Answered {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let api = response.extensions_mut().remove::<ApiError>();
    let error = Error::from_api(api.unwrap_or_else(|| ApiError::parse(status, response.headers(), b"")));
    Err(match response.extensions_mut().remove::<NotRepeated>() {
        Some(NotRepeated(why)) => error.with_hint(why),
        None => error,
    })
}

/// Scheme, host and port of the workspace, made once: every request carries them.
fn origin(config: &DatabricksConfig) -> Option<Origin> {
    let host = config.host();
    let name = host.host_str()?;
    let authority = match host.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    };
    let (scheme, authority) = (Scheme::try_from(host.scheme()).ok()?, Authority::try_from(authority).ok()?);
    Some(Origin { scheme, authority })
}

/// `program/1.0 databricks-delta-lake-rs/0.1.0 os/linux auth/pat`
fn user_agent(config: &DatabricksConfig) -> HeaderValue {
    let token = |text: &str| -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
        text.chars().map(|c| if allowed(c) { c } else { '-' }).collect()
    };
    let product = config.product().map(|(name, version)| format!("{}/{} ", token(name), token(version)));
    let auth = token(config.auth().map_or("none", |auth| auth.auth_type()));
    let text = format!("{}{NAME} os/{} auth/{auth}", product.unwrap_or_default(), std::env::consts::OS,);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(NAME))
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    let blank = body.iter().all(u8::is_ascii_whitespace);
    let body = if blank { b"{}" } else { body };
    serde_json::from_slice(body).or_else(|error| {
        // An answer that says nothing also fits a type that wants nothing: `()`, an `Option`.
        if body.trim_ascii() == b"{}" {
            serde_json::from_slice(b"null").map_err(|_| error)
        } else {
            Err(error)
        }
    })
}

fn undecodable(headers: &HeaderMap, error: serde_json::Error) -> Error {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let message = if declared.starts_with("text/html") {
        "the answer is a web page, not JSON: check that the host is the workspace's own".to_owned()
    } else {
        // What the parser quotes may be a secret, so neither its words nor itself are kept as they are.
        format!("the answer is not the JSON that is expected: {}", without_quotes(&error.to_string()))
    };
    Error::new(ErrorKind::Decode, message)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { config, user_agent, origin: _, stacks } = &*self.0;
        let Stacks { api: _, links: _, circuits, limiters: _ } = stacks;
        f.debug_struct("Client")
            .field("config", config)
            .field("user_agent", user_agent)
            .field("circuits", &circuits.all())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::Value;

    #[test]
    fn an_empty_answer_fits_nothing_an_option_and_an_empty_object() {
        #[derive(serde::Deserialize)]
        struct AllOptional {
            a: Option<i32>,
        }
        for body in ["", " \n", "{}", "{ }"] {
            assert!(decode::<AllOptional>(body.as_bytes()).unwrap().a.is_none(), "{body:?}");
        }
        for body in ["", "{}", "null"] {
            decode::<()>(body.as_bytes()).unwrap();
        }
        assert_eq!(decode::<Option<i32>>(b"").unwrap(), None);
        assert_eq!(decode::<Value>(b"{}").unwrap(), serde_json::json!({}));
        assert!(decode::<()>(b"{\"a\":1}").is_err());
        assert!(decode::<i32>(b"").is_err());
    }

    #[test]
    fn the_user_agent_is_made_of_tokens() {
        let config = DatabricksConfig::new("h.example").unwrap().with_token("t".to_owned());
        let shown = user_agent(&config.with_product("my app\n", "1.0"));
        let shown = shown.to_str().unwrap();
        assert!(shown.starts_with("my-app-/1.0 databricks-delta-lake-rs/"), "{shown}");
        assert!(shown.ends_with("auth/pat"), "{shown}");
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = DatabricksConfig::new("h.example").unwrap().with_token("dapi-secret".to_owned());
        let builder = Client::builder(config);
        assert!(!format!("{builder:?}").contains("dapi-secret"));
        let client = builder.build().unwrap();
        assert!(!format!("{client:?}").contains("dapi-secret"));
    }
}
