//! `regions` and `usage`, and what all commands say when something is wrong.

use serde_json::json;

use super::{Cooper, made, service};
use crate::ground::{Emulator, Fault, Ground};
use crate::scene::Scene;

#[tokio::test]
async fn regions_are_listed_with_their_zones() {
    let cloud = Emulator::start(&[]).await;
    let said = Cooper::with_token(&cloud).run(&["regions"]).await;
    let zones = "de-fra1 es-mad1 fi-hel1 fi-hel2 nl-ams1 pl-waw1 se-sto1 uk-lon1 dk-cph1";
    assert_eq!(
        said.done(),
        format!(
            "REGION    NEW  PRIMARY ZONE  ZONES\n\
             apac-1    yes  sg-sin1       sg-sin1 au-syd1\n\
             europe-1  yes  fi-hel2       {zones}\n\
             europe-2  yes  de-fra1       {zones}\n\
             europe-3  yes  se-sto1       {zones}\n\
             us-1      yes  us-chi1       us-chi1 us-sjo1 us-nyc1\n"
        )
    );
}

#[tokio::test]
async fn a_name_and_password_open_an_account_too() {
    let cloud = Emulator::start(&[]).await;
    let cooper = Cooper::alone()
        .flag(&format!("--endpoint={}", cloud.api))
        .set("UPCLOUD_USERNAME", "demo")
        .set("UPCLOUD_PASSWORD", "demo-password");
    let regions = cooper.run(&["regions", "-o", "json"]).await.json(0);
    assert_eq!(
        regions[4],
        json!({"name": "us-1", "allowNew": true, "primaryZone": "us-chi1", "zones": ["us-chi1", "us-sjo1", "us-nyc1"]})
    );
}

#[tokio::test]
async fn usage_shows_services_and_buckets() {
    let cloud = Emulator::start(&["--step", "0"]).await;
    let media = service(&cloud, "media").await;
    for name in ["site", "logs"] {
        made(&cloud, &format!("{media}/buckets"), json!({"name": name})).await;
    }
    service(&cloud, "other").await;
    let cooper = Cooper::with_token(&cloud);
    // A service settles at a look.
    cooper.run(&["usage"]).await.done();
    assert_eq!(
        cooper.run(&["usage", "--service", "media"]).await.done(),
        "SERVICE  BUCKET  OBJECTS  SIZE  REGION    STATE\n\
         media    (all)   0        0 B   europe-2  running\n\
         media    logs    0        0 B   europe-2  -\n\
         media    site    0        0 B   europe-2  -\n"
    );
    let all = cooper.run(&["usage", "-o", "json"]).await.json(0);
    assert_eq!(
        all[0]["buckets"][1],
        json!({"name": "site", "objects": 0, "bytes": 0})
    );
    assert_eq!(all[1]["service"], "other");
}

#[tokio::test]
async fn usage_over_time_has_a_row_a_step() {
    let cloud = Emulator::start(&["--step", "0"]).await;
    service(&cloud, "media").await;
    let cooper = Cooper::with_token(&cloud);
    let hours = cooper.run(&["usage", "--over", "24h", "-o", "json"]).await;
    assert_eq!(hours.json(0)[0]["steps"].as_array().unwrap().len(), 24);
    let days = ["usage", "--over", "7d"];
    assert_eq!(cooper.run(&days).await.done().lines().count(), 8);
    let days = ["usage", "--over", "7d", "--every", "12h"];
    assert_eq!(cooper.run(&days).await.done().lines().count(), 15);
}

#[tokio::test]
async fn an_account_of_the_cluster_opens_with_the_users_own_rights() {
    let scene = Scene::without_operator().await;
    scene.account().await;
    let cooper = Cooper::in_cluster(&scene).await;
    let here = cooper.run(&["regions", "--account", "default"]).await;
    assert!(here.done().contains("europe-2"));
    let spelt = format!("{}/default", &*scene.namespace);
    let spelt = cooper.run(&["regions", "--account", &spelt]).await;
    assert!(spelt.done().contains("europe-2"));
    let none = cooper
        .run(&["regions", "--account", "other"])
        .await
        .failed();
    assert!(none.contains("does not exist in the cluster"), "{none}");
    let foreign = ["regions", "--account", "cooper-system/default"];
    let foreign = cooper.run(&foreign).await.failed();
    assert!(foreign.contains("forbidden"), "{foreign}");
}

#[tokio::test]
async fn what_is_wrong_is_said_in_one_sentence() {
    let cloud = Emulator::start(&[]).await;
    let endpoint = format!("--endpoint={}", cloud.api);
    let wrong = Cooper::alone()
        .flag(&endpoint)
        .set("UPCLOUD_TOKEN", "ucat_wrong_canary");
    let told = wrong.run(&["usage"]).await.failed();
    assert!(told.starts_with("error: "), "{told}");
    assert!(told.contains("401") && told.lines().count() == 1, "{told}");

    let none = Cooper::alone().run(&["usage"]).await.failed();
    assert!(
        none.contains("set UPCLOUD_TOKEN, or UPCLOUD_USERNAME and UPCLOUD_PASSWORD"),
        "{none}"
    );
    let half = Cooper::alone()
        .set("UPCLOUD_USERNAME", "demo")
        .run(&["usage"])
        .await;
    assert!(half.failed().contains("the password is missing"));

    let gone = Cooper::alone()
        .flag("--endpoint=http://127.0.0.1:1")
        .set("UPCLOUD_TOKEN", "ucat_gone_canary");
    let told = gone.run(&["regions"]).await.failed();
    assert!(told.contains("http://127.0.0.1:1"), "{told}");

    let service = ["usage", "--service", "nowhere"];
    let told = Cooper::with_token(&cloud).run(&service).await.failed();
    assert_eq!(told, "error: the account has no service named nowhere\n");
}

#[tokio::test]
async fn a_mistake_on_the_command_line_is_an_error_and_no_difference() {
    let said = Cooper::alone().run(&["plan", "--nonsense"]).await;
    assert!(said.failed().contains("--nonsense"));
}

#[tokio::test]
async fn an_error_of_the_cloud_is_passed_on() {
    let cloud = Emulator::start(&[]).await;
    cloud
        .fault(Fault::status(500).on("GET", "regions").times(0))
        .await;
    let told = Cooper::with_token(&cloud).run(&["regions"]).await.failed();
    assert!(told.contains("500"), "{told}");
}

#[tokio::test]
async fn the_program_is_a_plugin_of_kubectl_by_its_name() {
    let cloud = Emulator::start(&[]).await;
    let cooper = Cooper::with_token(&cloud);
    let plugin = cooper.folder().join("kubectl-cooper");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cooper"), &plugin).unwrap();
    let folder = cooper.folder().to_str().unwrap().to_owned();
    let cooper = cooper.called(plugin);
    let regions = cooper.run(&["regions"]).await.done();
    assert!(regions.starts_with("REGION"), "{regions}");
    let help = cooper.run(&["--help"]).await.done();
    assert!(help.contains("Usage: kubectl cooper <COMMAND>"), "{help}");

    let ground = Ground::get().await;
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let environment = [("PATH", path.as_str()), ("UPCLOUD_TOKEN", "ucat_demo")];
    let endpoint = format!("--endpoint={}", cloud.api);
    let arguments = ["cooper", "regions", endpoint.as_str()];
    if ground
        .capabilities()
        .contains(&crate::ground::Need::Controllers)
    {
        let output = ground.kubectl_in(&environment, &arguments).await;
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            regions,
            "{output:?}"
        );
    }
}
