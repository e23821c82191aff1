use super::*;

fn target(name: &str) -> Target {
    Target::new("g", "K", "n", name)
}

fn names(pairs: &[(&str, &[&str])]) -> BTreeMap<Target, Vec<Target>> {
    let targets = |names: &[&str]| names.iter().map(|name| target(name)).collect();
    let pairs = pairs.iter();
    pairs
        .map(|(name, named)| (target(name), targets(named)))
        .collect()
}

#[test]
fn whoever_is_named_comes_before_whoever_names_it() {
    let names = names(&[
        ("a", &["c", "b"]),
        ("b", &["c"]),
        ("c", &["elsewhere"]),
        ("d", &[]),
    ]);
    let levels: Vec<Vec<_>> = levels(&names, |_| 0)
        .into_iter()
        .map(|level| level.iter().map(|target| target.name.as_str()).collect())
        .collect();
    assert_eq!(levels, [vec!["c", "d"], vec!["b"], vec!["a"]]);
}

#[test]
fn of_two_that_name_each_other_the_registry_says_which_is_first() {
    let names = names(&[("policy", &["service"]), ("service", &["policy"])]);
    let rank = |target: &Target| usize::from(target.name != "service");
    let levels = levels(&names, rank);
    assert_eq!(levels, [[&target("service")], [&target("policy")]]);
}

#[test]
fn a_file_decides_the_spec_and_the_cluster_the_rest() {
    let live = json!({
        "apiVersion": "g/v1", "kind": "K",
        "metadata": {"name": "a", "namespace": "n", "uid": "u", "annotations": {"left": "1", "both": "1"}},
        "spec": {"old": 1}, "status": {"place": "p"},
    });
    let file = json!({
        "apiVersion": "g/v1", "kind": "K",
        "metadata": {"name": "a", "uid": "forged", "annotations": {"both": "2"}},
        "spec": {"new": 1}, "status": {"place": "forged"},
    });
    let object = merged(&file, Some(live), &target("a"));
    assert_eq!(object["spec"], json!({"new": 1}));
    assert_eq!(object["status"], json!({"place": "p"}));
    assert_eq!(object["metadata"]["uid"], "u");
    assert_eq!(
        object["metadata"]["annotations"],
        json!({"left": "1", "both": "2"})
    );
    let alone = merged(&file, None, &target("a"));
    assert_eq!(alone.get("status"), None);
    assert_eq!(alone["metadata"].get("uid"), None);
}
