//! `plan`: what applying files would change, told by the operator's own functions.

use serde_json::{Value, json};

use super::{Cooper, importing::encoded, made, service};
use crate::ground::Emulator;
use crate::scene::{Scene, document};

const STORY: &str = "
apiVersion: upcloud.cooper.dev/v1alpha1
kind: IamUser
metadata: {name: ci}
spec:
  serviceRef: {name: media}
  policies: [{policyRef: {name: logs-rw}}, {systemPolicy: ECSS3ReadOnlyAccess}]
  accessKey: {secretName: ci-s3, template: {canary: 'template-canary {{ secretAccessKey }}'}}
ADOPTION
---
apiVersion: upcloud.cooper.dev/v1alpha1
kind: IamPolicy
metadata: {name: logs-rw}
spec:
  serviceRef: {name: media}
  document: {Version: '2012-10-17', Statement: [{Effect: Allow, Action: ['s3:*'], Resource: ['*']}]}
ADOPTION
---
apiVersion: upcloud.cooper.dev/v1alpha1
kind: ObjectStorageService
metadata: {name: media}
spec:
  accountRef: {name: default}
  region: europe-2
ADOPTION
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
";

/// The story of user, policy and service; adopting what exists, or not.
fn story(adopting: bool) -> String {
    let adoption = if adopting { "  adoption: IfExists" } else { "" };
    STORY.replace("ADOPTION", adoption)
}

async fn planned(cloud: &Emulator, text: &str) -> super::Said {
    let cooper = Cooper::with_token(cloud);
    cooper
        .run_with(&["plan", "--offline", "-f", "-"], text)
        .await
}

#[tokio::test]
async fn what_is_not_there_would_be_created_in_order() {
    let cloud = Emulator::start(&["--step", "0"]).await;
    let said = planned(&cloud, &story(false)).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(
        said.out,
        "create  ObjectStorageService default/media\n        (media)\n\
         create  IamPolicy default/logs-rw\n        (after ObjectStorageService default/media)\n\
         create  IamUser default/ci\n        (after ObjectStorageService default/media)\n\n\
         The cloud would be changed: create 3.\n"
    );
    assert_eq!(
        said.err,
        "note: 1 objects that are not cooper's are left out\n"
    );
}

#[tokio::test]
async fn what_exists_is_somebody_elses_unless_adoption_is_asked_for() {
    let cloud = Emulator::start(&["--step", "0"]).await;
    let media = service(&cloud, "media").await;
    let said = planned(&cloud, &story(false)).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.out
            .contains("refuse  ObjectStorageService default/media\n"),
        "{}",
        said.out
    );
    assert!(said.out.contains("adoption: IfExists"), "{}", said.out);
    assert!(
        said.out
            .ends_with("Not all of this can be done: refuse 3.\n"),
        "{}",
        said.out
    );

    made(&cloud, &format!("{media}/users"), json!({"username": "ci"})).await;
    let said = planned(&cloud, &story(true)).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    let uuid = media.rsplit('/').next().unwrap();
    assert_eq!(
        said.out,
        format!(
            "adopt   ObjectStorageService default/media\n\
             create  IamPolicy default/logs-rw\n        (logs-rw of service {uuid})\n\
             adopt   IamUser default/ci\n        attach policy ECSS3ReadOnlyAccess\n        attach policy logs-rw\n        make an access key, in Secret ci-s3\n\n\
             The cloud would be changed: create 1, adopt 2.\n"
        )
    );
}

#[tokio::test]
async fn what_the_cluster_knows_to_be_ours_is_changed() {
    let scene = Scene::issued().await;
    let theirs = json!({"name": "theirs", "document": encoded(&document("s3:GetObject"))});
    scene.theirs("POST", "/policies", theirs).await;
    scene
        .theirs("POST", "/buckets", json!({"name": "taken"}))
        .await;
    let cooper = Cooper::in_cluster(&scene).await;
    let body = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let user = json!({
        "serviceRef": {"name": "media"},
        "policies": [{"systemPolicy": "ECSS3FullAccess"}],
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        body("IamUser", "ci", user),
        body("Bucket", "taken", json!({"serviceRef": {"name": "media"}})),
        body("Bucket", "stray", json!({"serviceRef": {"name": "nowhere"}})),
    ]});
    let file = cooper.file("list.json", &list.to_string());
    scene.cloud.forget().await;
    let plan = cooper
        .run(&["plan", "-f", &file, "-o", "json"])
        .await
        .json(1);
    let find = |name: &str| {
        let all = plan["resources"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(find("ci")["action"], "update");
    assert_eq!(
        find("ci")["changes"],
        json!([
            "detach policy logs-rw",
            "attach policy ECSS3FullAccess",
            "revoke its access key and delete the Secret"
        ])
    );
    assert_eq!(find("taken")["action"], "refuse");
    let stray = find("stray")["message"].as_str().unwrap().to_owned();
    assert!(
        stray.contains("ObjectStorageService") && stray.contains("does not exist"),
        "{stray}"
    );
    assert_eq!(plan["summary"], json!({"update": 1, "refuse": 2}));

    // The same as it stands in the cluster: nothing to do.
    for kind in ["objectstorageservices", "iampolicies", "iamusers"] {
        let get = ["get", kind, "-n", &scene.namespace, "-o", "yaml"];
        let yaml = scene.ground.kubectl(&get).await.stdout;
        let yaml = String::from_utf8(yaml).unwrap();
        let said = cooper.run_with(&["plan", "-f", "-"], &yaml).await.done();
        assert!(
            said.contains("Nothing would change at the cloud: keep 1."),
            "{said}"
        );
    }
    assert_eq!(scene.writes().await, ["POST /buckets"; 0]);
}

#[tokio::test]
async fn a_status_in_a_file_claims_nothing() {
    let cloud = Emulator::start(&["--step", "0"]).await;
    let media = service(&cloud, "media").await;
    let forged = json!({
        "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": "ObjectStorageService",
        "metadata": {"name": "media", "namespace": "n", "uid": "u"},
        "spec": {"accountRef": {"name": "default"}, "region": "europe-2", "labels": {"a1": "b"}},
        "status": {"origin": "Created", "account": {"namespace": "n", "name": "default"}, "place": {"name": "media"},
            "atProvider": {"id": media.rsplit('/').next()}},
    });
    let said = planned(&cloud, &forged.to_string()).await;
    assert!(said.out.starts_with("refuse"), "{said:?}");
}

#[tokio::test]
async fn credentials_do_not_go_where_a_file_says() {
    let cloud = Emulator::start(&[]).await;
    let trap = Emulator::start(&[]).await;
    let account = json!({
        "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": "Account", "metadata": {"name": "default"},
        "spec": {"credentialsSecretRef": {"name": "x"}, "endpoint": trap.api},
    });
    let text = format!("{account}\n---\n{}", story(false));
    let said = planned(&cloud, &text).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(trap.journal(0).await.is_empty());

    let scene = Scene::without_operator().await;
    scene.account().await;
    let cooper = Cooper::in_cluster(&scene).await;
    let said = cooper.run_with(&["plan", "-f", "-"], &text).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(trap.journal(0).await.is_empty());
    assert!(!scene.cloud.journal(0).await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let cooper = Cooper::alone();
    let folder = cooper.folder().to_str().unwrap().to_owned();
    let missing = format!("{folder}/missing.yaml");
    for (name, text, complaint) in [
        ("broken.yaml", "a: [", "broken.yaml as YAML or JSON"),
        ("other.yaml", "kind: A", "there is no resource of cooper"),
        (
            "kind.yaml",
            "{apiVersion: upcloud.cooper.dev/v1alpha1, kind: Bukket, metadata: {name: a}}",
            "Bukket of upcloud.cooper.dev/v1alpha1 is no kind",
        ),
        (
            "field.yaml",
            "{apiVersion: upcloud.cooper.dev/v1alpha1, kind: Bucket, metadata: {name: a}, spec: {}}",
            "Bucket default/a: missing field",
        ),
    ] {
        let file = cooper.file(name, text);
        let told = cooper
            .run(&["plan", "--offline", "-f", &file])
            .await
            .failed();
        assert!(told.contains(complaint), "{told}");
    }
    let told = cooper
        .run(&["plan", "--offline", "-f", &missing])
        .await
        .failed();
    assert!(told.contains("missing.yaml: No such file"), "{told}");
    // Without credentials each resource says so.
    let said = cooper
        .run_with(&["plan", "--offline", "-f", "-"], &story(false))
        .await;
    assert_eq!(said.code, Some(1));
    assert!(
        said.out.contains("Account default/default does not exist"),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_is_said_and_done_without() {
    let cloud = Emulator::start(&["--step", "0"]).await;
    let cooper = Cooper::with_token(&cloud);
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    let path = cooper.file("kubeconfig", &config.to_string());
    let file = cooper.file("story.yaml", &story(false));
    let said = cooper
        .run(&["plan", "--kubeconfig", &path, "-f", &file])
        .await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err
            .contains("cannot reach the cluster at http://127.0.0.1:1"),
        "{said:?}"
    );
}
