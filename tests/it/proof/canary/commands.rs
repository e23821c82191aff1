//! The commands for people, with all that there is in the cluster and at the cloud.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{PASSWORD, Run, TOKEN, USERNAME, WRONG_TOKEN};
use crate::cli::Cooper;
use crate::ground::{Fault, Side};

/// What is run by somebody who may edit in the namespace: the first with the credentials of the Account.
const AT_THE_ACCOUNT: [&[&str]; 8] = [
    &["keys"],
    &["keys", "-o", "json"],
    &["import"],
    &["import", "-o", "json"],
    &["usage"],
    &["usage", "-o", "yaml"],
    &["regions"],
    &["plan", "-f", "-"],
];
const IN_THE_CLUSTER: [&[&str]; 5] = [
    &["status"],
    &["status", "--account", "default"],
    &["release", "--all", "--dry-run"],
    &["release", "--all", "--dry-run", "-o", "json"],
    &["release", "iamuser/ci"],
];
const WITH_CREDENTIALS: [&[&str]; 3] = [
    &["keys", "--offline"],
    &["import", "-o", "json"],
    &["usage"],
];
/// Without a cluster nobody knows that what exists is ours.
const REFUSED: [&str; 4] = ["plan", "--offline", "-f", "-"];

impl Run {
    /// Every command, with each sort of credentials; and some where something is wrong.
    pub(super) async fn people_ask(&mut self) {
        let here = format!("--namespace={}", &*self.scene.namespace);
        let in_cluster = Cooper::in_cluster(&self.scene).await.flag(&here);
        let path = in_cluster.folder().join("kubeconfig");
        let config: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let token = config["users"][0]["user"]["token"].as_str().unwrap();
        self.tokens.push(token.to_owned());
        let manifests = self.manifests();
        for arguments in AT_THE_ACCOUNT {
            let arguments = [arguments, &["--account", "default"]].concat();
            self.asks(&in_cluster, &arguments, &manifests, &[0, 2])
                .await;
        }
        for arguments in IN_THE_CLUSTER {
            self.asks(&in_cluster, arguments, "", &[0, 2]).await;
        }
        let endpoint = format!("--endpoint={}", self.scene.cloud.api);
        let with = |variables: &[(&str, &str)]| {
            let cooper = Cooper::alone().flag(&endpoint);
            let set = |cooper: Cooper, (name, value): &(&str, &str)| cooper.set(name, value);
            variables.iter().fold(cooper, set)
        };
        let by_token = with(&[("UPCLOUD_TOKEN", TOKEN)]);
        let by_name = with(&[
            ("UPCLOUD_USERNAME", USERNAME),
            ("UPCLOUD_PASSWORD", PASSWORD),
        ]);
        for cooper in [&by_token, &by_name] {
            for arguments in WITH_CREDENTIALS {
                self.asks(cooper, arguments, "", &[0]).await;
            }
            self.asks(cooper, &REFUSED, &manifests, &[1]).await;
        }
        let wrong = with(&[("UPCLOUD_TOKEN", WRONG_TOKEN)]);
        self.asks(&wrong, &["usage"], "", &[1]).await;
        let torn = Fault::of(json!({"truncate": {"bytes": 40}})).at(Side::Api);
        self.scene
            .cloud
            .fault(torn.on("GET", "/policies").times(0))
            .await;
        self.asks(&by_token, &["import"], "", &[1]).await;
        self.scene.cloud.heal().await;
    }

    /// The samples as a file for `plan`.
    fn manifests(&self) -> String {
        let objects = super::everything::samples(&self.scene).into_iter();
        let objects = objects.map(|(kind, name, spec)| {
            json!({"apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
        });
        json!({"apiVersion": "v1", "kind": "List", "items": objects.collect::<Vec<_>>()})
            .to_string()
    }

    /// Runs a command; keeps what it said.
    async fn asks(&mut self, cooper: &Cooper, arguments: &[&str], input: &str, codes: &[i32]) {
        let said = cooper.run_with(arguments, input).await;
        let is_expected = said.code.is_some_and(|code| codes.contains(&code));
        assert!(
            is_expected && !said.err.contains("Usage:"),
            "{arguments:?}: {said:?}"
        );
        let _ = writeln!(self.said, "{arguments:?}\n{}{}", said.out, said.err);
        self.commands += 1;
    }
}
