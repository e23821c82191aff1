//! deploy/samples and the YAML in the documentation: what people copy must work.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use kube::api::{Patch, PatchParams};
use serde_json::Value;

use crate::ground::repository;
use crate::scene::{Scene, TOKEN};

/// The files of deploy/samples.
fn files() -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(repository("deploy/samples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    files
}

/// The resources of ours in deploy/samples.
pub fn objects() -> Vec<Value> {
    let texts = files()
        .into_iter()
        .map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| ours(&text)).collect()
}

/// The resources of ours in some YAML.
fn ours(yaml: &str) -> Vec<Value> {
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("{error}:\n{yaml}"));
    let is_ours = |object: &Value| {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        version.contains("cooper.dev/")
    };
    objects.into_iter().filter(is_ours).collect()
}

/// The blocks of YAML in the documentation that hold resources of ours: where they stand, and what they say.
fn told() -> Vec<(String, Vec<Value>)> {
    let mut pages = vec![repository("README.md")];
    let mut folders = vec![repository("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                pages.push(path);
            }
        }
    }
    let mut blocks = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for (number, block) in text.split("```yaml\n").skip(1).enumerate() {
            let (yaml, _) = block.split_once("```").unwrap();
            if yaml.contains("cooper.dev/v1alpha1") {
                blocks.push((format!("{} block {number}", page.display()), ours(yaml)));
            }
        }
    }
    blocks
}

/// What the API server has against a resource, as a dry run.
async fn complaint(scene: &Scene, object: &Value) -> Option<String> {
    let kind = object["kind"].as_str().unwrap();
    let name = object["metadata"]["name"].as_str().unwrap();
    let params = PatchParams::apply("test")
        .force()
        .dry_run()
        .validation_strict();
    let applied = scene
        .api(kind)
        .patch(name, &params, &Patch::Apply(object))
        .await;
    applied.err().map(|error| format!("{kind} {name}: {error}"))
}

#[tokio::test]
async fn yaml_in_the_documentation_is_let_through() {
    let scene = Scene::without_operator().await;
    let blocks = told();
    assert!(!blocks.is_empty(), "no YAML in the documentation");
    let mut wrong = Vec::new();
    for (place, objects) in blocks {
        for object in objects {
            wrong.extend(
                complaint(&scene, &object)
                    .await
                    .map(|said| format!("{place}: {said}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_recipes_for_secrets_give_whole_secrets() {
    let scene = Scene::running().await;
    let mut users = Vec::new();
    let recipes = told().into_iter();
    for (_, objects) in recipes.filter(|(place, _)| place.contains("howto/secrets.md")) {
        for object in objects {
            let (kind, name) = (
                object["kind"].as_str().unwrap(),
                object["metadata"]["name"].as_str().unwrap(),
            );
            scene.apply(kind, name, object["spec"].clone()).await;
            if kind == "IamUser" {
                users.push((name.to_owned(), object["spec"]["accessKey"].clone()));
            }
        }
    }
    assert!(!users.is_empty(), "no recipe");
    for (name, key) in users {
        scene.ready("IamUser", &name).await;
        let secret = scene.secret(key["secretName"].as_str().unwrap()).await;
        let secret = secret.expect("a Secret");
        for entry in key["template"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(entry, _)| entry)
        {
            let text = &secret[entry];
            assert!(!text.is_empty() && !text.contains("{{"), "{name}: {entry}");
        }
    }
}

/// The text of all Rust sources in a folder.
fn sources(folder: PathBuf) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(path);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text += &fs::read_to_string(path).unwrap();
        }
    }
    text
}

#[test]
fn the_tests_that_the_guarantees_name_exist() {
    let page = fs::read_to_string(repository("docs/guarantees.md")).unwrap();
    let sources = sources(repository("tests")) + &sources(repository("src"));
    let spans = page.split('`').skip(1).step_by(2);
    let is_test = |span: &&str| {
        let is_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        span.matches('_').count() > 2 && span.chars().all(is_name)
    };
    let named: Vec<_> = spans.filter(is_test).collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        assert!(
            sources.contains(&format!("fn {name}(")),
            "{name} is no test"
        );
    }
}

#[test]
fn every_kind_has_a_sample_that_is_listed() {
    let list = fs::read_to_string(repository("deploy/samples/kustomization.yaml")).unwrap();
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    for path in files() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_left_out = name == "kustomization.yaml" || name.contains(".example.");
        assert!(
            is_left_out || list.contains(&format!("- {name}\n")),
            "{name} is not in the kustomization"
        );
        let objects = ours(&fs::read_to_string(path).unwrap());
        kinds.extend(
            objects
                .iter()
                .map(|object| object["kind"].as_str().unwrap().to_owned()),
        );
    }
    for (name, yaml) in cooper::kinds::crds().unwrap() {
        let crd: Value = serde_saphyr::from_str(&yaml).unwrap();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        assert!(
            kinds.contains(kind),
            "deploy/samples has no {kind} ({name})"
        );
    }
}

#[tokio::test]
async fn the_samples_become_ready() {
    let scene = Scene::open().await;
    scene.credentials(TOKEN).await;
    let mut applied = Vec::new();
    for object in objects() {
        let (kind, name) = (
            object["kind"].as_str().unwrap(),
            object["metadata"]["name"].as_str().unwrap(),
        );
        // Only the way to the cloud is another one here.
        let spec = match kind {
            "Account" => scene.account_spec(),
            _ => object["spec"].clone(),
        };
        let refused = complaint(&scene, &object).await;
        assert!(refused.is_none(), "{refused:?}");
        scene.apply(kind, name, spec).await;
        applied.push((kind.to_owned(), name.to_owned()));
    }
    for (kind, name) in applied {
        scene.ready(&kind, &name).await;
    }
}
