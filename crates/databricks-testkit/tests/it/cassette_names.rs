//! Credentials that only their names betray do not survive a recording, in whichever kind of body; data does.

use databricks_testkit::{CassetteBody, CassetteRequest, CassetteResponse, Origin, Sanitizers};
use http::{Method, StatusCode};
use serde_json::{Value, json};

const SECRET: &str = "hunter2-hunter2";

fn cleaned(path: &str, kind: Option<&str>, bytes: Vec<u8>) -> CassetteBody {
    let request = CassetteRequest::new(Method::GET, Origin::Api, path);
    let body = CassetteBody::from_bytes(bytes.into(), kind);
    let mut response = CassetteResponse::new(StatusCode::OK, body);
    if let Some(kind) = kind {
        response.headers.insert("content-type".to_owned(), kind.to_owned());
    }
    Sanitizers::default().sanitize_response(&request, &mut response);
    response.body
}

fn cleaned_json(path: &str, value: &Value) -> Value {
    cleaned(path, Some("application/json"), value.to_string().into_bytes()).as_json().unwrap().clone()
}

#[test]
fn credentials_of_endpoints_do_not_survive() {
    let values = [
        json!({"personal_access_token": SECRET}),
        json!({"credentials": {"aad_token": SECRET}}),
        json!({"tokens": [{"activation_url": format!("https://a.example/retrieve.html?{SECRET}")}]}),
        json!({"config": {"slack": {"url": format!("https://hooks.slack.com/services/T/B/{SECRET}")}}}),
        json!({"spark_conf": {"fs.azure.account.key.acct.dfs.core.windows.net": SECRET, "fs.s3a.secret.key": SECRET}}),
        json!({"spark_env_vars": {"DB_PASSWORD": SECRET}}),
        json!({"parameters": [{"name": "db_password", "value": SECRET}]}),
        json!({"kafka.sasl.jaas.config": format!("Module required password=\"{SECRET}\";")}),
        json!({"statement": format!("COPY INTO t FROM 'x' WITH (CREDENTIAL (AWS_SECRET_KEY = '{SECRET}'))")}),
        json!({"statement": format!("CREATE CONNECTION c TYPE postgresql OPTIONS (user 'u', password '{SECRET}')")}),
        json!({"conf": format!("{{\"password\": [\"{SECRET}\"]}}")}),
        json!({"m": format!("see https://cdn.example/k?token={SECRET} or /cb?access_token={SECRET}")}),
    ];
    for value in values {
        let text = cleaned_json("/api/2.0/x", &value).to_string();
        assert!(!text.contains(SECRET) && text.contains("REDACTED"), "{text}");
    }
}

#[test]
fn data_and_names_of_things_survive() {
    let value = json!({
        "result": {"data_array": [["hunter2", "token", "'password '", "a = 'b'"]]},
        "tasks": [{"task_key": "load"}], "tags": [{"key": "team", "value": "x"}], "next_page_token": "abc",
        "statement": "SELECT token, task_key FROM t WHERE name = 'password' AND page_token = 'b'",
        "display_name": "Sales dashboard", "name": {"formatted": "x"},
        "message": "unexpected token 'FROM'", "columns": [{"name": "token", "type_text": "string"}],
    });
    assert_eq!(cleaned_json("/api/2.0/x", &value), value);
}

#[test]
fn displayed_names_are_removed_where_entries_are_about_people() {
    let scim = json!({"displayName": "Jane Doe", "members": [{"display": "Jane Doe"}], "name": {"formatted": "Jane Doe"}});
    let text = cleaned_json("/api/2.0/preview/scim/v2/Users", &scim).to_string();
    assert!(!text.contains("Jane"), "{text}");
    let entry = json!({"access_control_list": [{"user_name": "jane@corp.com", "display_name": "Jane Doe"}]});
    let text = cleaned_json("/api/2.0/permissions/jobs/1", &entry).to_string();
    assert!(!text.contains("Jane"), "{text}");
}

#[test]
fn requests_for_different_names_stay_different() {
    let request = |name: &str| {
        let body = CassetteBody::Json(json!({"display_name": name}));
        let mut request = CassetteRequest::new(Method::POST, Origin::Api, "/api/2.0/lakeview/dashboards");
        request.body = body;
        Sanitizers::default().sanitize_request(&mut request);
        request.body
    };
    assert_ne!(request("Sales"), request("Costs"));
}

#[test]
fn bodies_are_told_by_what_they_hold_and_not_by_their_label() {
    let form = "application/x-www-form-urlencoded";
    let json = "application/json";
    let s = SECRET;
    let bodies = [
        (Some(form), format!("{{\"client_secret\": \"{s}\"}}")),
        (Some("Application/X-WWW-Form-Urlencoded"), format!("client_secret={s}")),
        (None, format!("grant_type=client_credentials&client_secret={s}")),
        (None, format!("{{\"password\": \"{s}\"}}")),
        (
            Some("multipart/form-data; boundary=b"),
            format!("--b\r\nContent-Disposition: form-data; name=\"client_secret\"\r\n\r\n{s}\r\n--b--"),
        ),
        (Some("application/x-ndjson"), format!("{{\"password\":\"{s}\"}}\n{{\"a\":1}}\n")),
        (Some("text/plain"), format!("client_secret: {s}\n")),
        (Some(json), format!("{{\"n\": 1.50, \"token\": [\"{s}\"], \"password\": {{\"v\": \"{s}\"}}}}")),
        (
            Some(json),
            format!("{{\"n\": 1.50, \"external_links\": [{{\"http_headers\": {{\"x-key\": \"{s}\"}}}}]}}"),
        ),
        (Some(json), format!("{{\"n\": 1.50, \"p\": {{\"name\": \"db_password\", \"value\": \"{s}\"}}}}")),
    ];
    for (kind, text) in bodies {
        let CassetteBody::Text(text) = cleaned("/api/2.0/x", kind, text.into_bytes()) else {
            panic!("no text")
        };
        assert!(!text.contains(s) && text.contains("REDACTED"), "{text}");
        assert!(!text.starts_with("{\"n\"") || text.contains("1.50"), "{text}");
    }
}

#[test]
fn saving_refuses_a_named_credential_in_bytes() {
    use base64::Engine as _;
    use std::io::Write as _;
    let plain = json!({"a": [{"password": SECRET}]}).to_string().into_bytes();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&plain).unwrap();
    for bytes in [gzip.finish().unwrap(), plain] {
        let body = json!({"base64": base64::engine::general_purpose::STANDARD.encode(bytes)});
        let request = json!({"method": "GET", "origin": "api", "path": "/x"});
        let interaction = json!({"request": request, "response": {"status": 200, "body": body}});
        let file = json!({"format": "databricks-cassette/1", "interactions": [interaction]});
        let cassette = databricks_testkit::Cassette::from_json(&file.to_string()).unwrap();
        let error = databricks_testkit::SecretScan::new().check(&cassette).unwrap_err();
        assert!(error.to_string().contains("by its name"), "{error}");
    }
}

#[test]
fn thousands_of_equal_names_are_numbered_quickly() {
    let members: serde_json::Map<String, Value> =
        (0..20_000).map(|n| (format!("u{n}@corp.com"), Value::from(n))).collect();
    let cleaned = cleaned_json("/api/2.0/x", &Value::Object(members));
    assert_eq!(cleaned.as_object().unwrap().len(), 20_000);
    assert!(cleaned.get("user@example.invalid (20000)").is_some());
}
