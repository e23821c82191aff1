//! Texts that nobody expects, and as much text as goes.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use super::draft::{Case, Draft, Expect, RAW, words};
use crate::admission::schema::{self, Node, list};

/// A text as JSON writes it, quotes included, and what a reader of JSON makes of it.
struct Hostile {
    about: &'static str,
    written: Vec<u8>,
    read: String,
}

fn hostile() -> Vec<Hostile> {
    let plain = |about, text: &str| Hostile {
        about,
        written: serde_json::to_vec(text).unwrap(),
        read: text.to_owned(),
    };
    let odd = |about, written: &[u8], read: &str| Hostile {
        about,
        written: written.to_vec(),
        read: read.to_owned(),
    };
    vec![
        plain("nothing", ""),
        plain("a blank", " "),
        plain("two lines", "logs\nlogs"),
        plain("a carriage return and a tab", "logs\r\t"),
        plain("NUL", "lo\u{0}gs"),
        plain("a bell", "\u{7}"),
        plain("delete", "logs\u{7f}"),
        plain("an escape sequence", "\u{1b}[31mlogs"),
        plain("right to left", "\u{202e}sgol"),
        plain("isolates", "\u{2066}logs\u{2069}"),
        plain("zero width", "lo\u{200b}g\u{200d}s"),
        plain("a byte order mark", "\u{feff}logs"),
        plain("a homoglyph", "l\u{43e}gs"),
        plain("a combining mark", "lo\u{301}gs"),
        plain("composed otherwise", "l\u{f3}gs"),
        plain("an emoji of several", "\u{1f469}\u{200d}\u{1f4bb}"),
        plain("outside the first plane", "\u{10ffff}"),
        plain("no character", "\u{ffff}"),
        plain("a line separator", "a\u{2028}b"),
        plain("another blank", "a\u{a0}b"),
        plain("a dotted capital", "\u{130}logs"),
        plain("a ligature", "\u{fb01}le"),
        plain("a path", "../../etc/passwd"),
        plain("a placeholder", "{{ secretAccessKey }}"),
        plain("markup", "<script>alert(1)</script>"),
        plain("a format", "%s%n%00{}"),
        plain("a variable", "$(HOME)${HOME}`id`"),
        plain("a query", "'; DROP TABLE users; --"),
        plain("a number", "1e9"),
        plain("no more than null", "null"),
        odd("half a pair", br#""lo\ud800gs""#, "lo\u{fffd}gs"),
        odd("the other half", br#""\udc00""#, "\u{fffd}"),
        odd(
            "a pair the wrong way round",
            br#""\udc00\ud800""#,
            "\u{fffd}\u{fffd}",
        ),
        odd("escapes of plain letters", br#""\u006c\u006fgs""#, "logs"),
        odd("no UTF-8", b"\"lo\xff\xfegs\"", "lo\u{fffd}\u{fffd}gs"),
        odd("a surrogate as bytes", b"\"\xed\xa0\x80\"", "\u{fffd}"),
        odd("an overlong slash", b"\"\xc0\xaf\"", "\u{fffd}"),
    ]
}

pub fn text(case: &Case, dice: &mut StdRng) -> Vec<Draft> {
    let all = hostile();
    let mut drafts = Vec::new();
    for node in case.places("spec") {
        if node.schema["type"] == "string" {
            let fit = Fit::of(&node.schema);
            for hostile in all.choose_multiple(dice, 12) {
                let about = format!("{} is {}", node.path(), hostile.about);
                let expect = fit.expect(&node, &hostile.read);
                let object = case.with(&node.steps, &json!(RAW));
                drafts.push(Draft::raw(about, &object, &hostile.written, expect));
            }
            for (about, text) in long(dice) {
                let expect = fit.expect(&node, &text);
                let object = case.with(&node.steps, &json!(text));
                drafts.push(Draft::new(
                    format!("{} is {about}", node.path()),
                    &object,
                    expect,
                ));
            }
        }
        if node.schema["additionalProperties"].is_object() {
            for hostile in all.choose_multiple(dice, 6) {
                drafts.push(as_key(case, &node, hostile));
            }
        }
    }
    for field in ["labels", "annotations"] {
        for hostile in all.choose_multiple(dice, 3) {
            let mut object = case.base.clone();
            object["metadata"][field] = json!({"example.org/note": RAW});
            let about = format!("metadata.{field} says {}", hostile.about);
            drafts.push(Draft::raw(about, &object, &hostile.written, Expect::Any));
        }
    }
    for hostile in all.choose_multiple(dice, 4) {
        let mut object = case.base.clone();
        object["metadata"]["name"] = json!(RAW);
        let is_name = hostile.read == "logs" || hostile.read == "null" || hostile.read == "1e9";
        let refused = Expect::Refused(vec!["name".to_owned()]);
        if !is_name {
            let about = format!("metadata.name is {}", hostile.about);
            drafts.push(Draft::raw(about, &object, &hostile.written, refused));
        }
    }
    drafts
}

fn as_key(case: &Case, node: &Node, hostile: &Hostile) -> Draft {
    let value = schema::least(&json!({
        "type": "object", "minProperties": 1,
        "additionalProperties": node.schema["additionalProperties"],
    }))["key-0"]
        .clone();
    let object = case.changed(&node.steps, &|place| {
        *place = Value::Object(Map::from_iter([(RAW.to_owned(), value.clone())]));
    });
    let about = format!("a key of {} is {}", node.path(), hostile.about);
    Draft::raw(about, &object, &hostile.written, Expect::Any)
}

fn long(dice: &mut StdRng) -> Vec<(&'static str, String)> {
    let all = [
        ("a hundred thousand letters", "a".repeat(100_000)),
        (
            "a letter with a thousand marks",
            format!("a{}", "\u{301}".repeat(1000)),
        ),
        ("a thousand points", ".".repeat(1000)),
        ("ten thousand blanks", " ".repeat(10_000)),
    ];
    all.choose_multiple(dice, 1).cloned().collect()
}

/// Whether the API server lets texts through, as far as their place says.
pub struct Fit<'a> {
    schema: &'a Value,
    /// Patterns of the API server mean ASCII by `\s`. Made once: it takes a while.
    pattern: Option<Regex>,
}

impl<'a> Fit<'a> {
    pub fn of(schema: &'a Value) -> Self {
        let pattern = schema::pattern(schema);
        let regex = |pattern| RegexBuilder::new(pattern).unicode(false).build().unwrap();
        Self {
            schema,
            pattern: pattern.map(regex),
        }
    }

    pub fn fits(&self, text: &str) -> bool {
        let schema = self.schema;
        let length = text.chars().count();
        let is_long_enough = length >= schema::size(schema, "minLength");
        let is_short_enough =
            schema["maxLength"].is_null() || length <= schema::size(schema, "maxLength");
        let values = schema["enum"].as_array();
        let is_known = values.is_none_or(|values| values.iter().any(|value| value == text));
        let pattern = self.pattern.as_ref();
        is_long_enough
            && is_short_enough
            && is_known
            && pattern.is_none_or(|pattern| pattern.is_match(text.as_bytes()))
    }

    fn expect(&self, node: &Node, text: &str) -> Expect {
        if self.fits(text) {
            Expect::Any
        } else {
            Expect::Refused(words(&node.steps))
        }
    }
}

/// Something below the size that etcd takes.
const MUCH: usize = 900_000;
/// More than the API server reads.
const TOO_MUCH: usize = 3_500_000;

pub fn giant(case: &Case, dice: &mut StdRng) -> Vec<Draft> {
    let mut drafts = of_metadata(case);
    let places = case.places("spec");
    let texts: Vec<_> = places
        .iter()
        .filter(|node| node.schema["type"] == "string")
        .collect();
    for node in texts.choose_multiple(dice, 2) {
        let object = case.with(&node.steps, &json!("a".repeat(MUCH)));
        let refused = Expect::Refused(words(&node.steps));
        drafts.push(Draft::new(
            format!("{} has {MUCH} letters", node.path()),
            &object,
            refused,
        ));
    }
    for node in &places {
        if let Some(most) = node.schema["maxProperties"].as_u64() {
            drafts.push(full_map(case, node, usize::try_from(most).unwrap()));
        }
        if node.schema["maxItems"].is_u64() {
            let most = schema::size(&node.schema, "maxItems");
            let object = case.changed(&node.steps, &|place| {
                *place = list(&node.schema, place.get(0), most);
            });
            let about = format!("{} has all {most} items", node.path());
            drafts.push(Draft::new(about, &object, Expect::Any));
            let items = vec![schema::least(&node.schema["items"]); 20_000];
            let object = case.with(&node.steps, &json!(items));
            let refused = Expect::Refused(words(&node.steps));
            drafts.push(Draft::new(
                format!("{} has 20000 items", node.path()),
                &object,
                refused,
            ));
        }
    }
    let mut object = case.base.clone();
    object["spec"]["surplus"] = json!("a".repeat(MUCH));
    drafts.push(Draft::new("much that is dropped", &object, case.harmless()).lenient());
    let fields: Map<String, Value> = (0..50_000).map(|n| (format!("f{n}"), json!(n))).collect();
    object["spec"]["surplus"] = Value::Object(fields);
    drafts.push(Draft::new("many fields that are dropped", &object, case.harmless()).lenient());
    object["spec"]["surplus"] = json!("a".repeat(TOO_MUCH));
    drafts.push(Draft::new(
        "more than anybody reads",
        &object,
        Expect::Refused(Vec::new()),
    ));
    object["spec"]["surplus"] = json!(RAW);
    for levels in [200, 9000] {
        let about = format!("{levels} levels that are dropped");
        drafts
            .push(Draft::raw(about, &object, &nested(levels, "[", "]"), case.harmless()).lenient());
    }
    let about = "more levels than anybody reads";
    let refused = Expect::Refused(Vec::new());
    drafts.push(Draft::raw(
        about,
        &object,
        &nested(100_000, "{\"a\":", "}"),
        refused,
    ));
    drafts
}

fn of_metadata(case: &Case) -> Vec<Draft> {
    let with = |field: &str, value: Value| {
        let mut object = case.base.clone();
        object["metadata"][field] = value;
        object
    };
    let note = |letters: usize| json!({"example.org/note": "a".repeat(letters)});
    let many = |count: usize| -> Value {
        let each = (0..count).map(|n| (format!("example.org/n{n}"), json!("x")));
        Value::Object(each.collect())
    };
    let refused = |word: &str| Expect::Refused(vec![word.to_owned()]);
    vec![
        Draft::new(
            "200 kB of annotation",
            &with("annotations", note(200_000)),
            case.harmless(),
        ),
        Draft::new(
            "300 kB of annotation",
            &with("annotations", note(300_000)),
            refused("annotations"),
        ),
        Draft::new(
            "8000 annotations",
            &with("annotations", many(8000)),
            case.harmless(),
        ),
        Draft::new("8000 labels", &with("labels", many(8000)), case.harmless()),
        Draft::new(
            "a note of kubectl, very long",
            &with(
                "annotations",
                json!({"kubectl.kubernetes.io/last-applied-configuration": "{".repeat(200_000)}),
            ),
            case.harmless(),
        ),
    ]
}

/// A map of as many members as it may have, each as long as it may be.
fn full_map(case: &Case, node: &Node, most: usize) -> Draft {
    let below = &node.schema["additionalProperties"];
    let longest = schema::size(below, "maxLength");
    let value = if longest > 0 && below["type"] == "string" {
        json!(schema::fit(below, longest.min(16_384)))
    } else if below.is_object() {
        schema::least(below)
    } else {
        json!("x")
    };
    let all = (0..most).map(|n| (format!("key-{n}"), value.clone()));
    let object = case.with(&node.steps, &Value::Object(all.collect()));
    Draft::new(
        format!("{} has all {most} members", node.path()),
        &object,
        Expect::Any,
    )
}

/// So many levels within each other.
pub fn nested(levels: usize, open: &str, close: &str) -> Vec<u8> {
    format!("{}1{}", open.repeat(levels), close.repeat(levels)).into_bytes()
}
