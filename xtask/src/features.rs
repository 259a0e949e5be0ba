//! Every feature of every crate, alone: what a user may pick must build without what another feature brings along.

use serde_json::Value;

use crate::shell::{Outcome, cargo, output};

/// What turns the engine on. Building it once more for each of its features would take hours and show nothing.
const ENGINE: &str = "databricks-local";

/// Runs clippy on each crate without features and with each feature alone.
pub(crate) fn check() -> Outcome {
    let metadata = output("cargo", &["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata is no JSON: {error}"))?;
    for (package, feature) in picks(&metadata) {
        let picked = ["--package", &package, "--no-default-features", "--features", &feature];
        cargo(&[&["clippy", "--quiet"], &picked[..], &["--", "--deny", "warnings"]].concat())?;
    }
    Ok(())
}

/// Each library for users, with no feature (the empty name) and with each of its features but `default`.
fn picks(metadata: &Value) -> Vec<(String, String)> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let libraries = packages.filter(|package| is_published(package) && !has_engine(package));
    libraries.flat_map(picks_of).collect()
}

fn picks_of(package: &Value) -> Vec<(String, String)> {
    let name = text(&package["name"]);
    let features = package["features"].as_object().into_iter().flat_map(|features| features.keys());
    let features = features.filter(|feature| *feature != "default").cloned();
    std::iter::once(String::new()).chain(features).map(|feature| (name.clone(), feature)).collect()
}

/// `publish = false` is an empty list.
fn is_published(package: &Value) -> bool {
    package["publish"].as_array().is_none_or(|registries| !registries.is_empty())
        && text(&package["name"]).starts_with("databricks-")
}

fn has_engine(package: &Value) -> bool {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let mut normal = dependencies.filter(|dependency| dependency["kind"].is_null());
    package["name"] == ENGINE || normal.any(|dependency| dependency["name"] == ENGINE)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::picks;
    use serde_json::json;

    #[test]
    fn a_library_is_built_bare_and_with_each_feature_and_the_engine_is_left_out() {
        let metadata = json!({"packages": [
            {"name": "databricks-a", "publish": null, "dependencies": [],
                "features": {"default": ["x"], "x": [], "y": []}},
            {"name": "databricks-local", "publish": null, "dependencies": [], "features": {}},
            {"name": "databricks-b", "publish": null, "features": {},
                "dependencies": [{"name": "databricks-local", "kind": null}]},
            {"name": "databricks-c", "publish": null, "features": {},
                "dependencies": [{"name": "databricks-local", "kind": "dev"}]},
            {"name": "databricks-tests", "publish": [], "dependencies": [], "features": {}},
        ]});
        let picked = picks(&metadata);
        let picked: Vec<_> = picked.iter().map(|(name, feature)| (name.as_str(), feature.as_str())).collect();
        let expected =
            [("databricks-a", ""), ("databricks-a", "x"), ("databricks-a", "y"), ("databricks-c", "")];
        assert_eq!(picked, expected);
    }
}
