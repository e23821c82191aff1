//! A manifest in the making: the sample of a kind, something done to it, and what must come of that.

use std::fmt;

use serde_json::{Value, json};

use crate::admission::schema::{Kind, Node, Step, change, nodes};

/// Stands for the name of the manifest's own resource until it has one.
pub const SELF: &str = "subject-of-this";
/// Stands for the address of the emulated cloud.
pub const CLOUD: &str = "http://cloud.invalid";
/// In a text, and then until the next blank: stands for the uid of another resource of the manifest, by its place.
pub const UID: &str = "uid-of-number-";
/// Where something stands that `serde_json` would not write.
pub const RAW: &str = "@@raw@@";

/// What is done to the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A value of another type.
    Types,
    /// A value at the edge of what the schema bounds.
    Bounds,
    /// Null.
    Null,
    /// Something that the schema does not know.
    Unknown,
    /// Texts that nobody expects.
    Text,
    /// As much as is let through, and more.
    Giant,
    /// Names of what is not there, is something else, or somebody else's.
    References,
    /// Those who name each other.
    Cycles,
    /// Policy documents.
    Documents,
    /// Labels, annotations, finalizers, owners.
    Metadata,
    /// What the API server took when the schema was another one.
    Stored,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Types,
        Self::Bounds,
        Self::Null,
        Self::Unknown,
        Self::Text,
        Self::Giant,
        Self::References,
        Self::Cycles,
        Self::Documents,
        Self::Metadata,
        Self::Stored,
    ];

    /// Such as `types`.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// A manifest's name, by which it is played again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub class: Class,
    pub kind: String,
    pub number: usize,
}

impl Name {
    /// The name of its resource.
    pub fn resource(&self) -> String {
        self.to_string().replace('/', "-").to_lowercase()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.class.name(), self.kind, self.number)
    }
}

/// What must come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The API server says no, and one of these words; any words if there are none.
    Refused(Vec<String>),
    /// Whatever it is, it must not become Ready.
    Explained,
    /// It becomes Ready.
    Harmless,
    /// Any of these.
    Any,
}

/// A change of one of the resources, after all were made.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Which resource.
    pub of: usize,
    /// A merge patch.
    pub patch: Value,
    /// Of the status; not before it is Ready.
    pub is_status: bool,
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub kind: String,
    pub body: Vec<u8>,
}

/// A manifest: what is sent, and what must come of it.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub name: Name,
    /// What was done to the sample.
    pub about: String,
    /// The resource in question, and others that it needs.
    pub sent: Vec<Sent>,
    pub edits: Vec<Edit>,
    /// Whether fields that nobody knows are refused rather than dropped.
    pub is_strict: bool,
    pub expect: Expect,
}

/// A manifest that has no number yet.
pub struct Draft {
    about: String,
    objects: Vec<Value>,
    /// What stands in place of [`RAW`].
    raw: Option<Vec<u8>>,
    edits: Vec<Edit>,
    is_strict: bool,
    expect: Expect,
}

impl Draft {
    /// Of this object.
    pub fn new(about: impl Into<String>, object: &Value, expect: Expect) -> Self {
        Self {
            about: about.into(),
            objects: vec![object.clone()],
            raw: None,
            edits: Vec::new(),
            is_strict: true,
            expect,
        }
    }

    /// Of this object, with these bytes where the text [`RAW`] stands, quotes included.
    pub fn raw(about: impl Into<String>, object: &Value, raw: &[u8], expect: Expect) -> Self {
        Self {
            raw: Some(raw.to_vec()),
            ..Self::new(about, object, expect)
        }
    }

    /// Sent so that fields which nobody knows are dropped.
    pub fn lenient(mut self) -> Self {
        self.is_strict = false;
        self
    }

    /// With another resource.
    pub fn and(mut self, object: &Value) -> Self {
        self.objects.push(object.clone());
        self
    }

    /// With an edit afterwards.
    pub fn then(mut self, of: usize, patch: Value) -> Self {
        self.edits.push(Edit {
            of,
            patch,
            is_status: false,
        });
        self
    }

    /// With an edit of the status once it is Ready.
    pub fn then_status(mut self, patch: Value) -> Self {
        self.edits.push(Edit {
            of: 0,
            patch,
            is_status: true,
        });
        self
    }

    /// Under this name.
    pub fn called(self, name: Name) -> Manifest {
        let own = name.resource();
        let named = |text: &str| text.replace(SELF, &own);
        let sent = self.objects.iter().map(|object| {
            let body = serde_json::to_vec(object).unwrap();
            let body = match &self.raw {
                Some(raw) => replaced(&body, &format!("\"{RAW}\""), raw),
                None => body,
            };
            Sent {
                kind: object["kind"].as_str().unwrap_or(&name.kind).to_owned(),
                body: replaced(&body, SELF, own.as_bytes()),
            }
        });
        let sent = sent.collect();
        let edits = self.edits.into_iter().map(|edit| Edit {
            patch: serde_json::from_str(&named(&edit.patch.to_string())).unwrap(),
            ..edit
        });
        Manifest {
            about: named(&self.about),
            sent,
            edits: edits.collect(),
            is_strict: self.is_strict,
            expect: self.expect,
            name,
        }
    }
}

/// Bytes in which a text is replaced.
pub fn replaced(bytes: &[u8], old: &str, new: &[u8]) -> Vec<u8> {
    // Most of them are a text, and texts are searched fast.
    if let (Ok(bytes), Ok(new)) = (std::str::from_utf8(bytes), std::str::from_utf8(new)) {
        return bytes.replace(old, new).into_bytes();
    }
    let mut done = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let old = old.as_bytes();
    while let Some(at) = rest.windows(old.len()).position(|window| window == old) {
        done.extend_from_slice(&rest[..at]);
        done.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    done.extend_from_slice(rest);
    done
}

/// What a draft is made from.
pub struct Case<'a> {
    pub kind: &'a Kind,
    /// A resource that becomes Ready beside the samples.
    pub base: Value,
}

impl<'a> Case<'a> {
    /// From the sample of a kind.
    pub fn of(kind: &'a Kind, sample: &Value) -> Self {
        Self {
            kind,
            base: beside(sample),
        }
    }

    /// Whether the base becomes Ready: a service has one domain for websites, and few of its own.
    pub fn harmless(&self) -> Expect {
        match self.kind.kind.as_str() {
            "StaticWebsite" | "CustomDomain" => Expect::Any,
            _ => Expect::Harmless,
        }
    }

    /// All places of the schema below a field of the object.
    pub fn places(&self, below: &str) -> Vec<Node> {
        let is_below =
            |node: &Node| matches!(node.steps.first(), Some(Step::Field(name)) if name == below);
        let all = nodes(&self.kind.schema).into_iter();
        all.filter(is_below).collect()
    }

    /// The base with something else in a place.
    pub fn with(&self, steps: &[Step], value: &Value) -> Value {
        self.changed(steps, &|place| *place = value.clone())
    }

    /// The base with a place changed.
    pub fn changed(&self, steps: &[Step], how: &dyn Fn(&mut Value)) -> Value {
        let mut object = self.base.clone();
        change(&mut object, &self.kind.schema, steps, how);
        object
    }

    /// The base with this merged into it.
    pub fn merged(&self, patch: &Value) -> Value {
        crate::admission::merged(&self.base, patch)
    }
}

/// The names of a place that a refusal may have: of the field, and of what it is in.
pub fn words(steps: &[Step]) -> Vec<String> {
    let fields = steps.iter().rev().filter_map(|step| match step {
        Step::Field(name) => Some(name.clone()),
        Step::Item | Step::Member => None,
    });
    fields.take(2).collect()
}

/// The sample as a resource of its own that can stand beside the sample.
pub fn beside(sample: &Value) -> Value {
    let mut object = sample.clone();
    object["metadata"] = json!({"name": SELF});
    let spec = &mut object["spec"];
    match sample["kind"].as_str() {
        Some("Account") => spec["endpoint"] = json!(CLOUD),
        Some("Bucket") => spec["emptyFor"] = json!("0s"),
        Some("IamUser") => spec["accessKey"]["secretName"] = json!(SELF),
        Some("CustomDomain") => spec["domainName"] = json!(format!("{SELF}.example.org")),
        _ => {}
    }
    object
}
