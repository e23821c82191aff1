//! The reference for users: a page of Markdown a kind, made from its CRD and its sample, and one on conditions.
//!
//! The words are the doc lines of the code, so what `kubectl explain` says and what a page says is the same.

use std::{collections::HashSet, fmt::Write as _, path::Path};

use anyhow::Context;
use serde_json::Value;

use crate::engine::{external::Topic, intent, reason::Reason, status};

mod table;

use table::{cell, plain, with_defaults};

/// The first line of every page.
const MADE: &str = "<!-- Made by `cooper reference`; do not edit. -->\n";

/// The pages of all kinds and the index: file name and Markdown. Examples are the files in the folder of samples.
pub fn pages(samples: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let kinds = super::definitions()?
        .into_iter()
        .map(|definition| Ok((serde_json::to_value(definition.crd)?, definition.topics)))
        .collect::<anyhow::Result<Vec<(Value, _)>>>()?;
    let samples = read(samples)?;
    let mut pages = vec![
        ("README.md".to_owned(), index(&kinds)),
        ("conditions.md".to_owned(), conditions()),
        ("metrics.md".to_owned(), crate::engine::metrics::reference()),
    ];
    for (crd, topics) in &kinds {
        let page = Page {
            crd,
            topics,
            version: at(crd, "/spec/versions/0"),
        };
        let kind = page.kind();
        let sample = samples
            .iter()
            .find(|text| text.contains(&format!("\nkind: {kind}\n")))
            .with_context(|| format!("no sample of {kind}"))?;
        pages.push((file(kind), page.markdown(sample)));
    }
    Ok(pages)
}

/// The samples as they are written, by file name.
fn read(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut files = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    files
        .iter()
        .map(|path| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        })
        .collect()
}

fn file(kind: &str) -> String {
    format!("{}.md", kind.to_lowercase())
}

/// What is there, or null.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// One kind.
struct Page<'a> {
    crd: &'a Value,
    version: &'a Value,
    topics: &'static [Topic],
}

impl Page<'_> {
    fn kind(&self) -> &str {
        text(self.crd, "/spec/names/kind")
    }

    fn short(&self) -> &str {
        text(self.crd, "/spec/names/shortNames/0")
    }

    fn schema(&self) -> &Value {
        at(self.version, "/schema/openAPIV3Schema")
    }

    fn markdown(&self, sample: &str) -> String {
        let kind = self.kind();
        let (spec, status) = (
            at(self.schema(), "/properties/spec"),
            at(self.schema(), "/properties/status"),
        );
        let mut page = format!(
            "{MADE}# {kind}\n\n{}\n\n`{}/{}`, in a namespace. `kubectl get {}`, `kubectl explain {}.spec`. [All kinds](README.md)\n",
            text(self.schema(), "/description"),
            text(self.crd, "/spec/group"),
            text(self.version, "/name"),
            self.short(),
            kind.to_lowercase(),
        );
        let _ = write!(page, "\n## Example\n\n```yaml\n{sample}```\n");
        let _ = write!(page, "\n## Spec\n\n{}", with_defaults(spec));
        let rules = self.rules();
        if !rules.is_empty() {
            let _ = write!(
                page,
                "\n## Rules\n\nWhat the API server refuses beside the bounds above, in its words.\n\n| Where | Rule |\n|---|---|\n{rules}"
            );
        }
        let _ = write!(
            page,
            "\n## Status\n\nWritten by cooper alone. What the conditions say: [conditions](conditions.md).\n\n{}",
            plain(status)
        );
        if !self.topics.is_empty() {
            page.push_str("\n## Conditions\n\nBeside [those of every kind](conditions.md):\n\n| Type | Says |\n|---|---|\n");
        }
        for topic in self.topics {
            let _ = writeln!(page, "| `{}` | {} |", topic.name, cell(topic.meaning));
        }
        let _ = write!(
            page,
            "\n## Columns\n\nWhat `kubectl get {}` shows; *wide* with `-o wide`.\n\n| Column | Shows |\n|---|---|\n{}",
            self.short(),
            self.columns(),
        );
        page
    }

    fn rules(&self) -> String {
        let mut rules = Vec::new();
        gather(self.schema(), "", &mut rules);
        rules.concat()
    }

    fn columns(&self) -> String {
        let columns = self.version["additionalPrinterColumns"].as_array();
        let rows = columns.into_iter().flatten().map(|column| {
            let name = text(column, "/name");
            let path = text(column, "/jsonPath");
            let shows = match text(column, "/description") {
                "" => usual(name, path),
                said => said.to_owned(),
            };
            let is_wide = column["priority"].as_i64().unwrap_or(0) > 0;
            let wide = if is_wide { " *wide*" } else { "" };
            format!("| {name}{wide} | {} |\n", cell(&shows))
        });
        rows.collect()
    }
}

/// What a column shows that says nothing of itself.
fn usual(name: &str, path: &str) -> String {
    match name {
        "Reason" | "Message" => format!("The {} of condition Ready", name.to_lowercase()),
        "Age" => "Time since the resource was made".to_owned(),
        name if path.contains("status.conditions") => format!("Condition {name}"),
        _ => format!("`{}`", path.trim_start_matches('.')),
    }
}

/// The messages of the rules of a schema and of what is below it.
fn gather(schema: &Value, path: &str, rules: &mut Vec<String>) {
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let place = match path {
            "" => "the resource".to_owned(),
            path => format!("`{path}`"),
        };
        rules.push(format!(
            "| {place} | {} |
",
            cell(text(rule, "/message"))
        ));
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        gather(below, &path, rules);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            gather(&schema[inner], &format!("{path}[]"), rules);
        }
    }
}

fn index(kinds: &[(Value, &'static [Topic])]) -> String {
    let mut page = format!(
        "{MADE}# Reference\n\nWhat can be written, and what is shown. Made from the CRDs; `kubectl explain` says the same. A *resource* is an object in Kubernetes, its *remote* the thing at the cloud that it stands for.\n\n| Kind | Short | Stands for |\n|---|---|---|\n"
    );
    for (crd, _) in kinds {
        let kind = text(crd, "/spec/names/kind");
        let about = text(crd, "/spec/versions/0/schema/openAPIV3Schema/description");
        let short = text(crd, "/spec/names/shortNames/0");
        let _ = writeln!(
            page,
            "| [{kind}]({}) | `{short}` | {} |",
            file(kind),
            cell(about)
        );
    }
    let _ = write!(
        page,
        "\nWhat the conditions and their reasons mean: [conditions](conditions.md). What Prometheus is told: [metrics](metrics.md).\n\n## Annotations\n\nEach of them counts while its value is `\"true\"`.\n\n| Annotation | Does |\n|---|---|\n| `{}` | Stops all writes to the cloud and to Secrets until it is removed; a deletion waits |\n| `{}` | Lets a deletion end although something holds it. The thing stays at the cloud |\n| `{}` | Makes a lost bucket or service anew, empty; or follows a spec that now leads to another place |\n| `{}` | On what is being deleted: keeps the remote and its Secret with keys that work, and lets the resource go; made again, it takes both back |\n| `{}` | On what is being deleted: its deletion is no part of a wave. On an Account it has another meaning: the instant that the condition `Braked` shows, until which the deletions held by the brake were asked for; these go on, later ones do not |\n\nOne counts by its text: whenever `{}` gets another text, the access key of a resource that issues one is replaced.\n",
        intent::PAUSED,
        intent::ABANDON,
        intent::RECREATE,
        intent::UNDO,
        intent::RELEASE_BRAKE,
        intent::ROTATE,
    );
    page
}

/// What each type of condition says while it is true; the types of one kind alone stand on its page.
fn says(kind: status::Kind) -> Option<&'static str> {
    Some(match kind {
        status::Kind::Ready => {
            "It can be used now. A resource that was usable and cannot be looked at right now stays Ready"
        }
        status::Kind::Synced => {
            "The last pass did what the spec says. Unknown while the account cannot be reached"
        }
        status::Kind::Resolved => "Everything that the spec names was found, and may be named",
        status::Kind::Issued => "The Secret holds a live key. Only on what issues keys",
        status::Kind::Reconciling => "Work goes on by itself. Only there while true",
        status::Kind::Stalled => {
            "Nothing goes on until somebody acts; the message says how. Only there while true"
        }
        status::Kind::Braked => {
            "So much was deleted at once that these deletions wait until somebody says that they are meant. Only on Accounts, and only there while true"
        }
        status::Kind::Own(_) => return None,
    })
}

fn conditions() -> String {
    let mut page = format!(
        "{MADE}# Conditions\n\nEvery resource has conditions of these types in `status.conditions`. A condition speaks of the spec as it stands when its `observedGeneration` is `metadata.generation`.\n\n```sh\nkubectl wait --for=condition=Ready iamuser/ci\nkubectl get cooper -o wide\n```\n\n| Type | While it is True |\n|---|---|\n"
    );
    for kind in status::Kind::ALL {
        if let Some(meaning) = says(kind) {
            let _ = writeln!(page, "| `{}` | {meaning} |", kind.name());
        }
    }
    page.push_str("\nA kind may have a type of its own, and its page says what it means: `Effective` of [IamUser](iamuser.md).\n");
    page.push_str("\n## Reasons\n\nOf conditions and of events. They are never renamed, so alerts can match on them. Each that a condition may have leads to a page that says what to do.\n");
    let paged: HashSet<Reason> = Reason::of_conditions().collect();
    for (group, reasons) in Reason::GROUPS {
        let _ = write!(page, "\n### {group}\n\n| Reason | Means |\n|---|---|\n");
        for reason in *reasons {
            let name = if paged.contains(reason) {
                format!("[`{reason}`](../runbooks/reasons/{reason}.md)")
            } else {
                format!("`{reason}`")
            };
            let _ = writeln!(page, "| {name} | {} |", cell(reason.meaning()));
        }
    }
    page
}
