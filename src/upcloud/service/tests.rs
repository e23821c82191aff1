use jiff::Timestamp;
use serde_json::{Value, json};

use super::{seen::serves, *};
use crate::{
    engine::{
        external::{Diff, Phase},
        reason::Reason,
    },
    upcloud::{account::DataPlane, api::Label, mark::Mark},
};

const BACK: &str = "03f0e1d2-c3b4-4a59-8677-8695a4b3c2d1";

fn wanted() -> Desired {
    Desired {
        mark: Mark {
            uid: "uid-1".into(),
            adopts: false,
        },
        accept: false,
        name: "media".into(),
        region: "europe-2".into(),
        state: State::Started,
        networks: None,
        labels: BTreeMap::new(),
        protection: None,
        cors_origin: None,
        data_plane: DataPlane::default(),
        boundaries: Vec::new(),
    }
}

/// A running service that this resource made.
fn ours() -> Remote {
    Remote {
        row: serde_json::from_value(json!({
            "uuid": "12ab34cd-5678-4e9f-8a0b-1c2d3e4f5061",
            "name": "media",
            "region": "europe-2",
            "configured_status": "started",
            "operational_state": "running",
            "labels": [{ "key": "cooper-uid", "value": "uid-1" }, { "key": "_internal", "value": "x" }],
            "networks": [{ "name": "public", "type": "public", "family": "IPv4" }],
            "endpoints": [
                { "domain_name": "files.example.org", "type": "public" },
                { "domain_name": "q7x2m-private.upcloudobjects.com", "type": "private", "mode": "api" },
                { "domain_name": "q7x2m.upcloudobjects.com", "type": "public", "mode": "api" },
                { "domain_name": "q7x2m-static.upcloudobjects.com", "type": "public", "mode": "static-website" },
            ],
            "custom_domains": [{ "domain_name": "files.example.org", "type": "public" }],
            "termination_protection": false,
        }))
        .unwrap(),
        contents: None,
        cors_sent: None,
        known: true,
        ran: false,
        serving: false,
    }
}

impl Remote {
    fn in_state(mut self, state: &str) -> Self {
        self.row.operational_state = Some(state.to_owned().into());
        self
    }

    fn labelled(mut self, key: &str, value: &str) -> Self {
        self.row.labels.push(Label {
            key: key.into(),
            value: value.into(),
        });
        self
    }

    fn protected(mut self) -> Self {
        self.row.termination_protection = Some(true);
        self
    }

    fn holding(mut self, contents: Contents) -> Self {
        self.contents = Some(contents);
        self
    }

    /// Made by somebody else, under the same name.
    fn foreign(mut self) -> Self {
        self.row.labels.clear();
        self.known = false;
        self
    }
}

fn private(name: &str) -> Network {
    Network {
        name: name.into(),
        kind: NetworkType::Private,
        uuid: Some(BACK.into()),
    }
}

fn public() -> Network {
    Network {
        name: "pub".into(),
        kind: NetworkType::Public,
        uuid: None,
    }
}

/// What is known after a first look.
fn facts(want: &Desired, now: &Remote) -> ServiceFacts {
    let nothing = ServiceFacts::default();
    ObjectStorageService::facts(Some(want), now, &nothing, Timestamp::UNIX_EPOCH)
}

fn changes(want: &Desired, now: &Remote) -> Vec<String> {
    let diff = ObjectStorageService::diff(want, now, &facts(want, now));
    diff.changes.iter().map(ToString::to_string).collect()
}

fn held(spec: &Value, now: &Remote) -> Option<String> {
    let spec: ServiceSpec = serde_json::from_value(spec.clone()).unwrap();
    let held = ObjectStorageService::held(
        Some(&spec),
        now,
        &ServiceFacts::default(),
        Timestamp::UNIX_EPOCH,
    );
    held.map(|held| held.why)
}

fn spec() -> Value {
    json!({ "accountRef": { "name": "default" }, "region": "europe-2" })
}

#[test]
fn a_service_as_wanted_needs_nothing() {
    assert!(changes(&wanted(), &ours()).is_empty());
}

#[test]
fn the_create_carries_the_mark_and_one_public_network() {
    let first = wanted().first_spec();
    assert_eq!(first.labels.last().unwrap().key, "cooper-uid");
    assert_eq!(first.labels.last().unwrap().value, "uid-1");
    assert_eq!(first.networks, [api::Network::public("public")]);
}

#[test]
fn a_service_of_the_same_name_without_our_mark_is_not_ours() {
    let now = ours().foreign();
    let diff = ObjectStorageService::diff(&wanted(), &now, &ServiceFacts::default());
    assert!(diff.changes.is_empty());
    assert!(diff.fixed[0].contains("did not make"), "{:?}", diff.fixed);
    assert_eq!(facts(&wanted(), &now), ServiceFacts::default());
}

#[test]
fn with_adoption_any_service_of_the_name_will_do() {
    let adopting = Desired {
        accept: true,
        ..wanted()
    };
    let diff = ObjectStorageService::diff(&adopting, &ours().foreign(), &ServiceFacts::default());
    assert_eq!(diff, Diff::default());
}

#[test]
fn a_known_service_stays_ours_without_its_mark() {
    let known = facts(&wanted(), &ours());
    let diff = ObjectStorageService::diff(&wanted(), &ours().foreign(), &known);
    assert_eq!(diff, Diff::default());
}

#[test]
fn a_service_known_by_name_alone_is_not_deleted() {
    let empty = ours().holding(Contents::default());
    assert_eq!(held(&spec(), &empty), None);
    let unknown = empty.foreign();
    assert!(
        held(&spec(), &unknown)
            .unwrap()
            .contains("not made by cooper")
    );
    let learned = ObjectStorageService::facts(
        None,
        &unknown,
        &ServiceFacts::default(),
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(learned.id, None);
}

#[test]
fn foreign_labels_stay_and_labels_of_upcloud_are_left_out() {
    let want = Desired {
        labels: [("team".to_owned(), "media".to_owned())].into(),
        ..wanted()
    };
    let now = ours().labelled("owner", "finance");
    let diff = ObjectStorageService::diff(&want, &now, &facts(&want, &now));
    let [
        Change::Set {
            labels: Some(labels),
            ..
        },
    ] = diff.changes.as_slice()
    else {
        panic!("{:?}", diff.changes);
    };
    let keys: Vec<_> = labels.iter().map(|label| label.key.as_str()).collect();
    assert_eq!(keys, ["cooper-uid", "owner", "team"]);
}

#[test]
fn only_labels_that_we_set_are_taken_away() {
    let with = Desired {
        labels: [("team".to_owned(), "media".to_owned())].into(),
        ..wanted()
    };
    let now = ours()
        .labelled("team", "media")
        .labelled("owner", "finance");
    let before = facts(&with, &now);
    assert_eq!(before.labels, ["team"]);
    let diff = ObjectStorageService::diff(&wanted(), &now, &before);
    let [
        Change::Set {
            labels: Some(labels),
            ..
        },
    ] = diff.changes.as_slice()
    else {
        panic!("{:?}", diff.changes);
    };
    assert!(labels.iter().all(|label| label.key != "team"));
    assert!(labels.iter().any(|label| label.key == "owner"));
}

#[test]
fn protection_goes_off_before_a_stop_and_on_after_the_rest() {
    let stopped = Desired {
        state: State::Stopped,
        protection: Some(false),
        ..wanted()
    };
    assert_eq!(
        changes(&stopped, &ours().protected()),
        ["switch termination protection off", "set state Stopped"]
    );
    let guarded = Desired {
        cors_origin: Some("https://app.example.org".into()),
        protection: Some(true),
        ..wanted()
    };
    assert_eq!(
        changes(&guarded, &ours()),
        ["set CORS origin", "switch termination protection on"]
    );
}

#[test]
fn protection_that_the_spec_does_not_name_is_left_alone() {
    assert!(changes(&wanted(), &ours().protected()).is_empty());
}

#[test]
fn a_cors_origin_is_sent_once() {
    let want = Desired {
        cors_origin: Some("https://app.example.org".into()),
        ..wanted()
    };
    let mut now = ours();
    assert_eq!(changes(&want, &now), ["set CORS origin"]);
    now.cors_sent.clone_from(&want.cors_origin);
    let sent = facts(&want, &now);
    assert_eq!(
        ObjectStorageService::diff(&want, &ours(), &sent),
        Diff::default()
    );
}

#[test]
fn a_network_is_attached_only_after_another_is_off_and_the_service_has_settled() {
    let want = Desired {
        networks: Some(vec![public(), private("new")]),
        ..wanted()
    };
    let mut now = ours();
    now.row.networks.push(private("old").wire());
    assert_eq!(changes(&want, &now), ["detach network old"]);
    now.row.networks.pop();
    assert!(changes(&want, &now.clone().in_state("pending")).is_empty());
    assert_eq!(changes(&want, &now), ["attach network new"]);
}

#[test]
fn the_public_network_is_kept_whatever_its_name() {
    let want = Desired {
        networks: Some(vec![public()]),
        ..wanted()
    };
    assert!(changes(&want, &ours()).is_empty());
}

#[test]
fn a_service_in_another_region_cannot_be_made_equal() {
    let want = Desired {
        region: "us-1".into(),
        ..wanted()
    };
    let diff = ObjectStorageService::diff(&want, &ours(), &facts(&want, &ours()));
    assert!(diff.fixed[0].starts_with("region:"), "{:?}", diff.fixed);
}

#[test]
fn the_endpoint_is_the_public_one_that_is_no_custom_domain() {
    let known = facts(&wanted(), &ours());
    let endpoint = known.endpoint.unwrap();
    assert_eq!(endpoint.url, "https://q7x2m.upcloudobjects.com");
    assert_eq!(
        known.website_domain.unwrap(),
        "q7x2m-static.upcloudobjects.com"
    );
}

#[test]
fn a_stopped_service_keeps_its_addresses() {
    let before = facts(&wanted(), &ours());
    let mut stopped = ours().in_state("stopped");
    stopped.row.endpoints.clear();
    let after =
        ObjectStorageService::facts(Some(&wanted()), &stopped, &before, Timestamp::UNIX_EPOCH);
    assert_eq!(after.endpoint, before.endpoint);
    assert_eq!(after.website_domain, before.website_domain);
}

#[test]
fn an_address_of_an_emulator_asks_for_path_style() {
    let want = Desired {
        data_plane: DataPlane {
            scheme: crate::upcloud::account::Scheme::Http,
            port: 9000,
            host_override: Some("127.0.0.1".into()),
        },
        ..wanted()
    };
    let endpoint = facts(&want, &ours()).endpoint.unwrap();
    assert_eq!(endpoint.url, "http://127.0.0.1:9000");
    assert_eq!(endpoint.host, "q7x2m.upcloudobjects.com");
    assert!(endpoint.path_style);
}

#[test]
fn a_service_is_ready_in_the_state_it_was_asked_for() {
    let phase = |remote: &Remote| ObjectStorageService::phase(remote);
    assert_eq!(phase(&ours()), Phase::Ready);
    assert_eq!(
        phase(&ours().in_state("stopped")),
        Phase::Settling("stopped".into())
    );
    assert!(matches!(
        phase(&ours().in_state("delete-dns")),
        Phase::Leaving(_)
    ));
    assert!(matches!(
        phase(&ours().in_state("something-new")),
        Phase::Settling(_)
    ));
}

/// What a look comes to, given what the looks before came to.
fn looks(states: &[(&str, &str)]) -> Vec<Phase> {
    let mut facts = ServiceFacts::default();
    let look = |(goal, state): &(&str, &str)| {
        let mut now = ours().in_state(state);
        now.row.configured_status = serde_json::from_value(json!(goal)).unwrap();
        if *state == "setup-network" {
            now.row.endpoints.clear();
        }
        now.serving = serves(&now.row, facts.serving);
        facts = ObjectStorageService::facts(None, &now, &facts, Timestamp::UNIX_EPOCH);
        ObjectStorageService::phase(&now)
    };
    states.iter().map(look).collect()
}

#[test]
fn a_service_that_runs_stays_usable_while_the_cloud_changes_it() {
    let (start, stop) = ("started", "stopped");
    let changing = |step: &str| Phase::Changing(step.into());
    let settling = |step: &str| Phase::Settling(step.into());
    for (states, last) in [
        // It never ran.
        (vec![(start, "pending")], settling("pending")),
        (
            vec![(start, "pending"), (start, "setup-iam")],
            settling("setup-iam"),
        ),
        // A domain, a label, a network: it runs on.
        (
            vec![(start, "running"), (start, "pending")],
            changing("pending"),
        ),
        (
            vec![(start, "running"), (start, "pending"), (start, "setup-dns")],
            changing("setup-dns"),
        ),
        (
            vec![(start, "running"), (start, "pending"), (start, "running")],
            Phase::Ready,
        ),
        (
            vec![(start, "running"), (start, "cleanup-deleted-buckets")],
            changing("cleanup-deleted-buckets"),
        ),
        // Nobody knows what that is.
        (
            vec![(start, "running"), (start, "something-new")],
            settling("something-new"),
        ),
        // It is stopped, and started again.
        (
            vec![(start, "running"), (stop, "pending")],
            settling("pending"),
        ),
        (vec![(start, "running"), (stop, "stopped")], Phase::Ready),
        (
            vec![(start, "running"), (stop, "pending"), (start, "pending")],
            settling("pending"),
        ),
        (
            vec![(start, "running"), (stop, "stopped"), (start, "setup-dns")],
            settling("setup-dns"),
        ),
        // Its only network is taken away.
        (
            vec![(start, "running"), (start, "setup-network")],
            settling("setup-network"),
        ),
        (
            vec![
                (start, "running"),
                (start, "setup-network"),
                (start, "pending"),
            ],
            settling("pending"),
        ),
    ] {
        assert_eq!(looks(&states).pop(), Some(last), "{states:?}");
    }
}

#[test]
fn the_words_of_the_cloud_on_a_delay_are_passed_on() {
    let mut waiting = ours().in_state("setup-checkup");
    waiting.row.state_messages = serde_json::from_value(json!([
        { "code": "waiting_certificate_issuing", "message": "Certificate issuing is in progress." }
    ]))
    .unwrap();
    let told = "setup-checkup: Certificate issuing is in progress".to_owned();
    assert_eq!(ObjectStorageService::phase(&waiting), Phase::Settling(told));
}

#[test]
fn a_service_with_contents_is_held_and_says_what_is_in_it() {
    let contents = Contents {
        buckets: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        users: vec!["ci".into()],
        ..Contents::default()
    };
    let why = held(&spec(), &ours().holding(contents)).unwrap();
    assert!(why.contains("bucket a, b, c and 1 more, user ci"), "{why}");
    assert!(held(&spec(), &ours()).unwrap().contains("not read yet"));
}

#[test]
fn protection_holds_a_deletion_unless_the_spec_takes_it_off() {
    let now = ours().holding(Contents::default()).protected();
    assert!(
        held(&spec(), &now)
            .unwrap()
            .contains("terminationProtection: false")
    );
    let mut off = spec();
    off["terminationProtection"] = false.into();
    assert_eq!(held(&off, &now), None);
    let off: ServiceSpec = serde_json::from_value(off).unwrap();
    assert_eq!(
        ObjectStorageService::unlock(Some(&off), &now),
        [Change::Protect(false)]
    );
    assert!(ObjectStorageService::unlock(None, &now).is_empty());
}

/// Wants to take over what exists.
fn adopting(uid: &str) -> Desired {
    Desired {
        mark: Mark {
            uid: uid.into(),
            adopts: true,
        },
        accept: true,
        ..wanted()
    }
}

#[test]
fn whoever_takes_over_a_marked_service_marks_it_anew_once() {
    let want = adopting("uid-2");
    let before = facts(&want, &ours());
    assert_eq!(before.owner, None, "not ours yet");
    let diff = ObjectStorageService::diff(&want, &ours(), &before);
    let [
        Change::Set {
            labels: Some(labels),
            ..
        },
    ] = diff.changes.as_slice()
    else {
        panic!("{:?}", diff.changes);
    };
    assert_eq!(
        (labels[0].key.as_str(), labels[0].value.as_str()),
        ("cooper-uid", "uid-2")
    );
    let mut marked = ours();
    marked.row.labels.clone_from(labels);
    let after = facts(&want, &marked);
    assert_eq!(after.owner.as_deref(), Some("uid-2"));
    assert!(changes(&want, &marked).is_empty());
}

#[test]
fn who_only_observes_marks_nothing() {
    let want = Desired {
        mark: Mark::default(),
        ..adopting("uid-2")
    };
    assert!(changes(&want, &ours()).is_empty());
}

#[test]
fn the_former_owner_of_a_service_reports_and_a_restored_one_goes_on() {
    for (mark, owner, is_mine) in [
        ("uid-1", Some("uid-1"), true),
        // Restored under a new uid, with its status.
        ("uid-0", Some("uid-0"), true),
        // Made before owners were remembered.
        ("uid-0", None, true),
        ("uid-2", Some("uid-1"), false),
        ("", Some("uid-1"), true),
    ] {
        let mut now = ours();
        now.row.labels[0].value = mark.into();
        let found = seen::taken_over(&now.row, owner);
        assert_eq!(found.is_ok(), is_mine, "{mark} {owner:?}");
        if let Err(fault) = found {
            assert_eq!(fault.reason, Reason::AlreadyManaged);
            assert!(fault.message.contains("uid-2"), "{}", fault.message);
            assert!(
                fault.message.contains("cooper.dev/abandon"),
                "{}",
                fault.message
            );
        }
    }
}
