//! Cassettes on disk: what comes back, what is refused, what is left behind.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use databricks_testkit::{Cassette, CassetteBody, CassetteErrorKind, Outcome};
use serde_json::{Value, json};

fn cassette(interactions: Value) -> Value {
    json!({"format": "databricks-cassette/1", "variables": {"run_id_1": 4711, "table": "t_a1b2"}, "interactions": interactions})
}

fn get(body: Value) -> Value {
    let request = json!({"method": "GET", "origin": "storage", "path": "/x/{{run_id_1}}", "query": {"a": ["1", "2"], "b": "{{table}}"}});
    json!({"request": request, "response": {"status": 206, "headers": {"etag": "\"1\""}, "body": body}, "repeats": 3, "elapsed_ms": 12})
}

fn large(byte: u8) -> Vec<u8> {
    (0..70_000_u32).map(|n| (n % 251) as u8 ^ byte).collect()
}

fn with_large_body(byte: u8) -> Cassette {
    Cassette::from_json(&cassette(json!([get(json!({"base64": STANDARD.encode(large(byte))}))])).to_string())
        .unwrap()
}

fn parts(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.join("c.json.parts")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_is_saved_is_loaded_and_reads_well() {
    let failure = json!({"kind": "unavailable", "message": "the connection broke", "ambiguous": true});
    let request = json!({"method": "POST", "origin": "api", "path": "/p", "headers": {"content-type": "application/json"},
        "body": {"json": {"z": 1, "a": {"d": null, "c": "{{'{{'}}x}}"}}}});
    let all = cassette(json!([
        get(json!({"json": null})),
        get(json!({"text": "a\r\nb"})),
        get(json!({"base64": "AAECAw=="})),
        {"request": request, "failure": failure},
    ]));
    let cassette = Cassette::from_json(&all.to_string()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/c.json");
    cassette.save(&path).unwrap();
    assert_eq!(Cassette::load(&path).unwrap(), cassette);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, cassette.to_json().unwrap());
    assert!(!path.with_file_name("c.json.parts").exists());
    assert!(matches!(&cassette.interactions()[3].outcome, Outcome::Failure(failure) if failure.ambiguous));
    insta::assert_snapshot!(text);
}

#[test]
fn large_binary_bodies_are_files_beside_the_cassette() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json");
    with_large_body(0).save(&path).unwrap();
    let before = parts(folder.path());
    assert_eq!(before.len(), 1);
    assert!(std::fs::metadata(&path).unwrap().len() < 1000);
    assert_eq!(Cassette::load(&path).unwrap(), with_large_body(0));

    let foreign = folder.path().join("c.json.parts/notes.txt");
    std::fs::write(&foreign, "mine").unwrap();
    with_large_body(1).save(&path).unwrap();
    let mut after = parts(folder.path());
    after.retain(|name| name != "notes.txt");
    assert_eq!(after.len(), 1);
    assert_ne!(after, before, "the body of the earlier recording is removed");
    assert!(foreign.exists());
    assert_eq!(Cassette::load(&path).unwrap(), with_large_body(1));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "no temporary file is left: {left:?}");
}

#[test]
fn a_body_that_is_gone_or_changed_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json");
    with_large_body(0).save(&path).unwrap();
    let part = folder.path().join("c.json.parts").join(&parts(folder.path())[0]);
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let refused = |problem: &str| {
        let error = Cassette::load(&path).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), CassetteErrorKind::SideFile);
        assert!(text.contains("c.json: interaction 1: response: ") && text.contains(problem), "{text}");
    };
    refused("is not the one that was recorded");
    std::fs::remove_file(&part).unwrap();
    refused("cannot be read");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(Cassette::from_json(&text).unwrap_err().kind(), CassetteErrorKind::SideFile);
    let climbing = format!("../{}.bin", "0".repeat(8) + "-0000-0000-0000-000000000000");
    for name in ["/etc/passwd", &climbing, "../x.parts/a.bin", "c.parts/../../a.bin", "..parts/a.bin", "a"] {
        let body = get(json!({"file": name, "bytes": 1}));
        std::fs::write(&path, cassette(json!([body])).to_string()).unwrap();
        refused("is not in a folder beside the cassette");
    }
}

#[test]
fn what_is_no_cassette_is_refused_with_place_and_remedy() {
    let ok = json!({"method": "GET", "origin": "api", "path": "/"});
    let with = |change: &dyn Fn(&mut Value)| {
        let mut interaction = json!({"request": ok, "response": {"status": 200}});
        change(&mut interaction);
        cassette(json!([{"request": ok, "response": {"status": 200}}, interaction])).to_string()
    };
    let table: [(&str, String); 19] = [
        ("not JSON", "not JSON at all".to_owned()),
        ("no format", "{}".to_owned()),
        ("other format", json!({"format": "vcr/1"}).to_string()),
        ("other version", json!({"format": "databricks-cassette/2", "later": 1}).to_string()),
        (
            "unknown member",
            json!({"format": "databricks-cassette/1", "interactions": [], "extra": 1}).to_string(),
        ),
        (
            "bad variable",
            json!({"format": "databricks-cassette/1", "variables": {"a": ""}, "interactions": []})
                .to_string(),
        ),
        ("status", with(&|i| i["response"]["status"] = json!(99))),
        ("method", with(&|i| i["request"]["method"] = json!("G T"))),
        ("origin", with(&|i| i["request"]["origin"] = json!("ftp"))),
        ("no outcome", with(&|i| _ = i.as_object_mut().unwrap().remove("response"))),
        ("both outcomes", with(&|i| i["failure"] = json!({"kind": "other", "message": ""}))),
        (
            "failure kind",
            with(&|i| {
                i.as_object_mut().unwrap().remove("response");
                i["failure"] = json!({"kind": "bad", "message": ""});
            }),
        ),
        ("zero repeats", with(&|i| i["repeats"] = json!(0))),
        ("two bodies", with(&|i| i["response"]["body"] = json!({"json": 1, "text": "1"}))),
        ("base64", with(&|i| i["response"]["body"] = json!({"base64": "%"}))),
        ("unknown body", with(&|i| i["response"]["body"] = json!({"xml": "x"}))),
        ("unknown variable", with(&|i| i["response"]["body"] = json!({"json": {"a": ["{{nobody}}"]}}))),
        ("broken template", with(&|i| i["request"]["path"] = json!("/{{x"))),
        ("query", with(&|i| i["request"]["query"] = json!({"a": 1}))),
    ];
    let errors: Vec<String> = table
        .iter()
        .map(|(name, text)| format!("{name}: {}", Cassette::from_json(text).unwrap_err()))
        .collect();
    insta::assert_snapshot!(errors.join("\n"));
    let version = Cassette::from_json(&table[3].1).unwrap_err();
    assert_eq!(version.kind(), CassetteErrorKind::Version);
    let missing = Cassette::load("no/such.json").unwrap_err();
    assert_eq!(missing.kind(), CassetteErrorKind::Io);
    assert!(missing.to_string().contains("no/such.json"));
}

#[test]
fn savers_at_the_same_time_leave_one_whole_cassette() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json");
    let small = |n: usize| {
        let text = "x".repeat(n * 1000);
        Cassette::from_json(&cassette(json!([get(json!({ "text": text }))])).to_string()).unwrap()
    };
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (path, cassette) = (&path, small(n + 1));
            scope.spawn(move || (0..10).for_each(|_| cassette.save(path).unwrap()));
        }
    });
    let loaded = Cassette::load(&path).unwrap();
    let CassetteBody::Text(text) = &loaded.interactions()[0].response().unwrap().body else { panic!() };
    assert_eq!(text.len() % 1000, 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A large body of one cassette is none of the other's business, whose name differs in its end only.
#[test]
fn cassettes_with_alike_names_keep_their_bodies_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (json, other) = (folder.path().join("c.json"), folder.path().join("c.cassette"));
    with_large_body(0).save(&json).unwrap();
    with_large_body(1).save(&other).unwrap();
    assert_eq!(Cassette::load(&json).unwrap(), with_large_body(0));
    assert_eq!(Cassette::load(&other).unwrap(), with_large_body(1));
}

#[cfg(unix)]
#[test]
fn a_link_to_a_cassette_stays_one_when_it_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real/c.json"), folder.path().join("link.json"));
    std::os::unix::fs::symlink("real/c.json", &link).unwrap();
    for byte in 0..2 {
        // First one that leads nowhere yet, then one to a file.
        with_large_body(byte).save(&link).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(Cassette::load(&link).unwrap(), with_large_body(byte));
        assert_eq!(Cassette::load(&real).unwrap(), with_large_body(byte));
    }
    assert!(folder.path().join("real/c.json.parts").is_dir());
    // A tree of links, as build tools make it.
    std::fs::create_dir(folder.path().join("tree")).unwrap();
    std::fs::rename(folder.path().join("real/c.json.parts"), folder.path().join("tree/c.json.parts"))
        .unwrap();
    let link = folder.path().join("tree/c.json");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    assert_eq!(Cassette::load(&link).unwrap(), with_large_body(1));
}
