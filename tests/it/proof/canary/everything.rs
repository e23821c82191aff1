//! Everything, once.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{BROKEN, OTHER_TOKEN, PASSWORD, Run, TOKEN, USERNAME, WRONG_TOKEN};
use crate::ground::{Fault, Side, eventually};
use crate::hands::named;
use crate::proof::world::encoded;
use crate::scene::{PATIENCE, Scene, document, user_spec};

/// What a rotation takes in real time: twice its overlap of a minute, and what looks may be late.
const ROTATION: Duration = Duration::from_mins(5);
/// More things than a brake lets go at once that is set to two.
const WAVE: [&str; 3] = ["wave-0", "wave-1", "wave-2"];
/// Users whose requests for a key break.
const FAULTS: usize = 4;

impl Run {
    /// All of it, with a look at the resources in between.
    pub(super) async fn everything_happens(&mut self) {
        self.samples_become_ready().await;
        self.look().await;
        self.key_is_tried_and_replaced().await;
        self.keys_come_and_go().await;
        self.things_are_adopted().await;
        self.look().await;
        self.deletion_is_undone().await;
        self.wave_is_held().await;
        self.answers_break().await;
        self.look().await;
        self.people_ask().await;
        self.credentials_change().await;
        self.look().await;
        self.old_key_goes().await;
        self.all_goes().await;
        self.look().await;
    }

    /// One of each kind, as `deploy/samples` have it.
    async fn samples_become_ready(&self) {
        let scene = &self.scene;
        scene.credentials(TOKEN).await;
        let samples = samples(scene);
        for (kind, name, spec) in &samples {
            scene.apply(kind, name, spec.clone()).await;
        }
        for (kind, name, _) in &samples {
            scene.ready(kind, name).await;
        }
    }

    /// A key that S3 does not accept, one that it does, and one in its place.
    async fn key_is_tried_and_replaced(&self) {
        let scene = &self.scene;
        let refusal = "<Error><Code>InvalidAccessKeyId</Code><Message>no</Message></Error>";
        let refusal =
            json!({"status": {"code": 403, "body": refusal, "content_type": "application/xml"}});
        scene.cloud.fault(Fault::of(refusal).at(Side::S3)).await;
        let mut spec = user_spec();
        spec["accessKey"] = json!({
            "secretName": "tried-s3", "test": "Signed", "rotation": {"every": "1h", "overlap": "1m"},
            "template": {"url": "s3://{{ accessKeyId }}:{{ secretAccessKey }}@{{ endpointHost }}/{{ username }}"},
        });
        scene.apply("IamUser", "tried", spec).await;
        scene.event("IamUser", "tried", "NewKeyNotAccepted").await;
        scene.ready("IamUser", "tried").await;
        let first = scene.new_key("tried", "tried-s3", &[]).await;
        scene
            .annotate("IamUser", "tried", "cooper.dev/rotate", Some("now"))
            .await;
        scene.new_key("tried", "tried-s3", &[&first]).await;
    }

    /// The key that was replaced is switched off and deleted.
    async fn old_key_goes(&self) {
        eventually(ROTATION, "the replaced key is gone", async || {
            let user = named(&self.scene.at_cloud().await, "users", "tried");
            let keys = user["keys"].as_array().map_or(0, Vec::len);
            (keys == 1).then_some(()).ok_or_else(|| user.to_string())
        })
        .await;
    }

    /// A Secret is lost, another edited, a key deleted at the cloud.
    async fn keys_come_and_go(&self) {
        let scene = &self.scene;
        let first = scene.live_keys("ci").await;
        scene
            .secrets()
            .delete("ci-s3", &DeleteParams::default())
            .await
            .unwrap();
        let second = scene.new_key("ci", "ci-s3", &[&first[0]]).await;
        let edit = json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "edited"}});
        let how = PatchParams::default();
        scene
            .secrets()
            .patch("ci-s3", &how, &Patch::Merge(&edit))
            .await
            .unwrap();
        let policy = json!({"spec": {"document": document("s3:Get*")}});
        scene.merge("IamPolicy", "logs-rw", policy).await;
        scene
            .theirs(
                "DELETE",
                &format!("/users/ci/access-keys/{second}"),
                Value::Null,
            )
            .await;
        scene.new_key("ci", "ci-s3", &[&first[0], &second]).await;
    }

    /// What somebody else has made is taken over, a user with its key among it.
    async fn things_are_adopted(&self) {
        let scene = &self.scene;
        let policy = json!({"name": "found", "document": encoded("s3:Put*")});
        scene.theirs("POST", "/policies", policy).await;
        for (list, body) in [
            ("buckets", json!({"name": "found"})),
            ("users", json!({"username": "found"})),
            ("users/found/access-keys", json!({})),
        ] {
            scene.theirs("POST", &format!("/{list}"), body).await;
        }
        let service = json!({"name": "media"});
        for (kind, spec) in [
            (
                "IamPolicy",
                json!({"serviceRef": service, "adoption": "IfExists", "document": document("s3:*")}),
            ),
            (
                "Bucket",
                json!({"serviceRef": service, "adoption": "IfExists"}),
            ),
            (
                "IamUser",
                json!({"serviceRef": service, "adoption": "IfExists", "accessKey": {"secretName": "found-s3"}}),
            ),
        ] {
            scene.apply(kind, "found", spec).await;
            scene.ready(kind, "found").await;
        }
    }

    /// A user's keys are switched off, and on again; it waits from then on, for longer than this takes.
    async fn deletion_is_undone(&self) {
        let scene = &self.scene;
        let mut spec = user_spec();
        spec["accessKey"]["secretName"] = json!("undone-s3");
        spec["deletionPolicy"] = json!("Delete");
        spec["undoWindow"] = json!("1h");
        scene.apply("IamUser", "undone", spec).await;
        scene.ready("IamUser", "undone").await;
        scene.delete("IamUser", "undone").await;
        let says = async |reason| {
            scene
                .until("IamUser", "undone", "Ready", "False", reason)
                .await
        };
        says("UndoWindow").await;
        scene
            .annotate("IamUser", "undone", "cooper.dev/undo", Some("true"))
            .await;
        says("Undoing").await;
        scene.new_key("undone", "undone-s3", &[]).await;
    }

    /// Deletions are held by the brake, and go once they are meant.
    async fn wave_is_held(&self) {
        let scene = &self.scene;
        self.brake_is(json!({"percent": 1, "moreThan": 2})).await;
        let spec = json!({"serviceRef": {"name": "media"}, "emptyFor": "0s"});
        for name in WAVE {
            scene.apply("Bucket", name, spec.clone()).await;
        }
        for name in WAVE {
            scene.ready("Bucket", name).await;
        }
        for name in WAVE {
            scene.delete("Bucket", name).await;
        }
        for name in WAVE {
            let held = "Braked";
            scene.until("Bucket", name, "Ready", "False", held).await;
        }
        for name in WAVE {
            scene
                .annotate("Bucket", name, "cooper.dev/release-brake", Some("true"))
                .await;
            scene.gone("Bucket", name).await;
        }
        self.brake_is(json!({"enabled": false})).await;
    }

    async fn brake_is(&self, brake: Value) {
        let mut spec = self.scene.account_spec();
        spec["brake"] = brake;
        self.scene.apply("Account", "default", spec).await;
        self.scene.ready("Account", "default").await;
    }

    /// Answers to requests for keys that break in the middle of the secret, or cannot be understood.
    async fn answers_break(&self) {
        let body = json!({"access_key_id": 7, "secret_access_key": BROKEN[0], "created_at": BROKEN[1], "status": [BROKEN[0]]});
        let faults = [
            json!({"truncate": {"bytes": 150}}),
            json!({"status": {"code": 201, "body": body.to_string()}}),
            json!({"status": {"code": 500, "body": body.to_string()}}),
            json!({"lost": {}}),
        ];
        assert_eq!(faults.len(), FAULTS);
        for (number, fault) in faults.into_iter().enumerate() {
            let fault = Fault::of(fault).at(Side::Api).on("POST", "/access-keys$");
            self.scene.cloud.fault(fault).await;
            let name = format!("broken-{number}");
            let mut spec = user_spec();
            spec["accessKey"]["secretName"] = json!(format!("{name}-s3"));
            self.scene.apply("IamUser", &name, spec).await;
            let what = format!("the request for a key of {name} has failed");
            eventually(PATIENCE, &what, async || {
                let status = self.scene.status("IamUser", &name).await;
                let said = status["conditions"].to_string();
                let is_told = said.contains("AwaitingLostMint")
                    || said.contains("Synced\"},{")
                    || said.contains("\"Issued\"");
                is_told.then_some(()).ok_or(said)
            })
            .await;
        }
    }

    /// To a name and a password, to a token that is refused, and to another one that works.
    async fn credentials_change(&self) {
        let basic = json!({"stringData": {"username": USERNAME, "password": PASSWORD}, "data": {"token": null}});
        self.credentials_are(&basic).await;
        self.scene
            .until("Account", "default", "Ready", "True", "")
            .await;
        let wrong = json!({"stringData": {"token": WRONG_TOKEN}, "data": {"username": null, "password": null}});
        self.credentials_are(&wrong).await;
        self.scene
            .until("Account", "default", "Ready", "False", "")
            .await;
        self.scene
            .cloud
            .credentials("demo", OTHER_TOKEN, USERNAME, PASSWORD)
            .await;
        self.credentials_are(&json!({"stringData": {"token": OTHER_TOKEN}}))
            .await;
        self.scene
            .until("Account", "default", "Ready", "True", "")
            .await;
    }

    async fn credentials_are(&self, patch: &Value) {
        let how = PatchParams::default();
        self.scene
            .secrets()
            .patch("upcloud", &how, &Patch::Merge(patch))
            .await
            .unwrap();
        // An edit of the account makes it look at once.
        let touch = json!({"metadata": {"annotations": {"example.org/touched": format!("{patch}").len().to_string()}}});
        self.scene.merge("Account", "default", touch).await;
    }

    /// All is deleted, parents first. What still waits for what a lost answer may make, or for the end of an undo, is abandoned.
    async fn all_goes(&self) {
        let scene = &self.scene;
        let waiting = (0..FAULTS).map(|number| format!("broken-{number}"));
        for name in waiting.chain(["undone".to_owned()]) {
            scene
                .annotate("IamUser", &name, "cooper.dev/abandon", Some("true"))
                .await;
            let how = DeleteParams::default();
            // One of them is being deleted already, and may be gone.
            let _ = scene.api("IamUser").delete(&name, &how).await;
            scene.gone("IamUser", &name).await;
        }
        let mut all: Vec<_> = samples(scene)
            .into_iter()
            .map(|(kind, name, _)| (kind, name))
            .collect();
        all.extend(
            ["IamPolicy", "Bucket", "IamUser"].map(|kind| (kind.to_owned(), "found".to_owned())),
        );
        all.push(("IamUser".to_owned(), "tried".to_owned()));
        for (kind, name) in &all {
            if kind != "Account" {
                let word = json!({"spec": {"deletionPolicy": "Delete"}});
                scene.merge(kind, name, word).await;
            }
            scene.delete(kind, name).await;
        }
        for (kind, name) in &all {
            scene.gone(kind, name).await;
        }
        assert_eq!(scene.at_cloud().await, Value::Null);
    }
}

/// `deploy/samples`: kind, name, spec. Only the way to the cloud is another one here.
pub(super) fn samples(scene: &Scene) -> Vec<(String, String, Value)> {
    let told = |sample: Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let kind = text(&sample["kind"]);
        let spec = match kind.as_str() {
            "Account" => scene.account_spec(),
            _ => sample["spec"].clone(),
        };
        (kind, text(&sample["metadata"]["name"]), spec)
    };
    crate::samples::objects().into_iter().map(told).collect()
}
