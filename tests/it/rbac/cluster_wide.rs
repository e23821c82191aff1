//! All namespaces: `deploy/base`, what `secrets.watch` adds, and the Job that lets go before the chart is uninstalled.

use std::fs;

use serde_json::{Value, json};

use super::rights::{self, JOB};
use super::{NEEDS, Pair, furnish, live, refused};
use crate::cli::Cooper;
use crate::ground::{ACCOUNT, Ground, SYSTEM, repository};
use crate::scene::Scene;

#[tokio::test]
async fn each_right_of_the_operator_and_of_the_release_job_is_used_and_no_other_is_asked_for() {
    if Ground::get().await.lacks(&NEEDS) {
        return;
    }
    let ground: &'static Ground = Box::leak(Box::new(Ground::empty().await));
    ground.install("deploy/base").await;
    let scene = Scene::bare(ground).await;
    let pair = Pair::start(ground).await;
    live(&scene).await;
    pair.stop().await;
    uses_what_it_has(ground, ACCOUNT).await;

    ground.install("deploy/overlays/secrets-watch").await;
    let pair = Pair::start(ground).await;
    furnish(&scene).await;
    pair.stop().await;
    uses_what_it_has(ground, ACCOUNT).await;

    grant_release(ground).await;
    let config = ground.account_kubeconfig(SYSTEM, JOB).await;
    let cooper = Cooper::alone();
    let path = cooper.file("kubeconfig", &config.to_string());
    let stop = format!("--stop={SYSTEM}/cooper");
    let released = cooper.set("KUBECONFIG", &path);
    released.run(&["release", "--all", &stop]).await.done();
    uses_what_it_has(ground, JOB).await;
}

async fn uses_what_it_has(ground: &Ground, account: &str) {
    let granted = rights::of(ground, account).await;
    let requests = ground.requests(account).await;
    let shown = rights::shown(&requests);
    assert_eq!(refused(&requests), [], "{account}: {shown}");
    assert_eq!(
        rights::unused(account, granted, &requests),
        [],
        "{account}: {shown}"
    );
}

/// Gives the Job's ServiceAccount what the chart does.
async fn grant_release(ground: &Ground) {
    let [everywhere, here] = release_rules();
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let subject = json!([{"kind": "ServiceAccount", "name": JOB, "namespace": SYSTEM}]);
    let named = json!({"name": JOB, "namespace": SYSTEM});
    let of = |kind: &str| json!({"apiGroup": group, "kind": kind, "name": JOB});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named},
        {"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": JOB}, "rules": everywhere},
        {"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": JOB}, "roleRef": of("ClusterRole"), "subjects": subject},
        {"apiVersion": version, "kind": "Role", "metadata": named, "rules": here},
        {"apiVersion": version, "kind": "RoleBinding", "metadata": named, "roleRef": of("Role"), "subjects": subject},
    ]});
    let apply = ["apply", "--server-side", "-f", "-"];
    let applied = ground.kubectl_with(&apply, &objects.to_string()).await;
    assert!(applied.status.success(), "{applied:?}");
}

/// The rules in the chart's template, with what helm would put in: those for all namespaces, and those for the operator's own.
fn release_rules() -> [Value; 2] {
    let template = repository("charts/cooper/templates/release.yaml");
    let template = fs::read_to_string(template).unwrap();
    let kinds = cooper::kinds::resources().unwrap();
    let kinds: Vec<_> = kinds.iter().map(|kind| kind.plural.as_str()).collect();
    let rules = |document: &str| -> Option<Value> {
        let (_, rules) = document.split_once("\nrules:\n")?;
        let kept = rules
            .lines()
            .filter(|line| !line.trim_start().starts_with("{{-"));
        let text = kept.collect::<Vec<_>>().join("\n");
        let text = text
            .replace("{{ $group }}", "upcloud.cooper.dev")
            .replace("{{ $of.kinds | toJson }}", &json!(kinds).to_string())
            .replace("{{ include \"cooper.name\" . }}", "cooper");
        assert!(!text.contains("{{"), "helm would put more in: {text}");
        Some(serde_saphyr::from_str(&text).unwrap())
    };
    let found: Vec<_> = template.split("\n---\n").filter_map(rules).collect();
    found.try_into().expect("a Role for each")
}
