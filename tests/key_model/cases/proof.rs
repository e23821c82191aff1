//! The large bounds, and single ones by words.

use cooper_key_model::liveness;
use cooper_key_model::search::explore;
use cooper_key_model::world::{ACTS, Setting};

use crate::{MOST, budget, setting};

/// Bounds of the proof, as [`worded`] reads them.
const PROOF: &[&str] = &[
    "faults=4",
    "faults=4 rotations=1",
    "faults=2 rotations=2 holds=1",
    "faults=2 foreigns=1 rotations=1",
    "faults=2 foreigns=1 exclusive",
    "faults=1 acts=1 rotations=1 holds=1",
    "faults=1 acts=2",
    "faults=2 acts=1 rotations=1 rejects=1 test",
    "faults=1 acts=2 recreations=1 user_goes act=DeleteResource act=LoseStatus act=AllSecretsGone act=Disown act=Release",
    "faults=2 acts=3 rotations=1 recreations=1 undo act=DeleteResource act=Release",
    "processes=2 rotations=1 test",
    "processes=2 rotations=1 holds=1",
    "processes=2 faults=1 rotations=1",
    "processes=2 acts=1 rotations=1",
    "processes=2 foreigns=1 exclusive",
    "processes=2 acts=2 rotations=1 recreations=1 act=Release act=DeleteResource",
    "processes=2 faults=1 acts=2 undo act=DeleteResource act=Release",
    "processes=2 faults=1 foreigns=1",
    "processes=2 faults=1 two_lost",
    "processes=2 faults=1 acts=1 act=Release",
    "processes=2 faults=1 acts=1 act=NoKey",
    "processes=2 faults=1 acts=1 act=AllSecretsGone",
    "processes=2 faults=1 acts=1 act=Terminate",
    "processes=2 faults=1 acts=1 act=DeleteStaging",
    "processes=2 faults=1 acts=1 act=LoseStatus",
    "processes=2 faults=1 acts=1 act=RestoreTargetOnly",
    "processes=2 faults=1 acts=1 act=DeleteResource",
    "processes=2 faults=1 acts=1 user_goes act=DeleteResource",
    "processes=2 acts=2 act=NoKey",
    "processes=2 acts=2 rotations=1 recreations=1 act=Release",
    "processes=2 acts=1 rotations=1 recreations=1 user_goes act=DeleteResource",
    "processes=2 acts=1 rotations=1 foreign act=ForgeMark",
    "processes=2 acts=1 rotations=1 test act=Release",
    "processes=2 acts=1 test",
    "processes=2 rotations=1 live",
    "processes=2 acts=1 live act=Release",
    "processes=2 acts=1 live act=NoKey",
    "processes=2 acts=1 rotations=1 live act=Release act=DeleteResource act=DeleteTarget",
    "processes=2 foreigns=1 rotations=1 live",
];

/// The large bounds, if the environment asks for them: `make proof`.
#[test]
fn proof() {
    let Ok(asked) = std::env::var("COOPER_PROOF") else {
        return;
    };
    let most = asked.parse().expect("the most states of one setting");
    let mut all = 0;
    for words in PROOF {
        all += run(words, most);
    }
    println!("{} settings, {all} states, nothing broken", PROOF.len());
}

/// Runs the setting named by the environment, if any.
#[test]
fn one_setting() {
    if let Ok(words) = std::env::var("COOPER_KEY_MODEL") {
        run(&words, MOST);
    }
}

/// Explores the setting that these words name; how many states it has.
fn run(words: &str, most: usize) -> usize {
    let Asked {
        setting,
        most,
        live,
    } = asked(words, most);
    let begun = std::time::Instant::now();
    let (states, told, broken) = if live {
        let report = liveness::search(&setting, most);
        let told = format!("{} parts that last", report.lasting);
        (report.states, told, report.broken)
    } else {
        let report = explore(&setting, most);
        let told = format!("{} transitions, depth {}", report.transitions, report.depth);
        let way = |(what, way): (String, Vec<String>)| format!("{what}\n{}", way.join("\n"));
        (report.states, told, report.broken.map(way))
    };
    println!(
        "{words}: {states} states, {told}, {} s",
        begun.elapsed().as_secs()
    );
    assert!(broken.is_none(), "{words}: {}", broken.unwrap_or_default());
    states
}

/// What words ask for.
struct Asked {
    setting: Setting,
    /// States, at most.
    most: usize,
    /// Livelocks are looked for.
    live: bool,
}

fn asked(words: &str, most: usize) -> Asked {
    let mut asked = Asked {
        setting: setting(1, budget()),
        most,
        live: false,
    };
    let setting = &mut asked.setting;
    let mut acts = Vec::new();
    for word in words.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, "1"));
        let number = || value.parse::<u8>().expect("a number");
        match name {
            "processes" => setting.processes = usize::from(number()),
            "faults" => setting.budget.faults = number(),
            "acts" => setting.budget.acts = number(),
            "rotations" => setting.budget.rotations = number(),
            "holds" => setting.budget.holds = number(),
            "foreigns" => setting.budget.foreigns = number(),
            "recreations" => setting.budget.recreations = number(),
            "rejects" => setting.budget.rejects = number(),
            "exclusive" => setting.exclusive = true,
            "two_lost" => setting.two_lost = true,
            "foreign" => setting.foreign_from_start = true,
            "test" => setting.test = true,
            "user_goes" => setting.user_goes = true,
            "undo" => (setting.user_goes, setting.undo) = (true, true),
            "live" => asked.live = true,
            "most" => asked.most = value.parse().expect("a number of states"),
            "act" => acts.extend(ACTS.iter().filter(|a| format!("{a:?}") == value)),
            other => panic!("unknown word {other}"),
        }
    }
    if !acts.is_empty() {
        setting.acts = acts.leak();
    }
    asked
}
