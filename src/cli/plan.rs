//! `cooper plan`: what applying files would change at the cloud.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::{
    End,
    output::{Format, print},
    reach::{Cluster, Credentials, Reached},
};
use crate::{
    engine::preview::{Action, Forecast, Preview, group_of},
    kinds,
};

/// Tell what applying files would change at the cloud, without changing anything.
///
/// Each resource is resolved, looked up at the cloud and compared by the operator's own functions. References are followed among the
/// files and, if a cluster can be reached, to objects there; what the cluster knows of a resource (whether its remote is ours, above
/// all) counts, what a file claims of that does not. With --offline, or without a cluster, a remote that exists counts as somebody
/// else's unless the resource says adoption: IfExists.
///
/// Only the first round of changes is told: what waits for the cloud to settle in between (networks that are swapped), or for something
/// that is still to be made, follows in later rounds. Deletions are not planned: a file cannot say that something is gone.
///
/// Credentials from the environment go to --endpoint or the provider's own address, and those in the cluster to the address that the
/// Account has there, whatever a file says; so files that somebody proposes can be planned safely.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  nothing would change at the cloud
  1  error, or a resource cannot be as its file says (refuse, fail)
  2  something would change

Example:
  cooper plan -f media.yaml
  UPCLOUD_TOKEN=… cooper plan --offline -f deploy/ -o json")]
pub struct Plan {
    /// A file, a folder (its .yaml, .yml and .json files), or - for standard input. May be given several times.
    #[arg(long = "filename", short = 'f', value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Look into the folders of a folder, too.
    #[arg(long, short = 'R')]
    recursive: bool,
    /// Do not ask a cluster: the files are all there is.
    #[arg(long, conflicts_with = "account")]
    offline: bool,
    /// How the result looks.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    cluster: Cluster,
}

/// The plan as it is told.
#[derive(Serialize)]
struct Told {
    resources: Vec<Forecast>,
    /// How many of each action.
    summary: BTreeMap<Action, usize>,
    /// Whether something would change at the cloud.
    changes: bool,
}

impl Plan {
    /// Tells it.
    pub async fn run(self) -> anyhow::Result<End> {
        let documents = self.documents()?;
        let reached = self.reach().await?;
        let way = self.credentials.way(&reached);
        let mut preview = Preview::new(&way, kinds::shelve);
        let mut skipped = 0_usize;
        let mut taken = 0_usize;
        for Document { file, value } in &documents {
            let version = value.get("apiVersion").and_then(Value::as_str);
            if !version.is_some_and(|version| preview.knows_group(group_of(version))) {
                skipped += 1;
                continue;
            }
            let put = preview.want(value, &reached.namespace).await;
            put.with_context(|| file.clone())?;
            taken += 1;
        }
        if skipped > 0 {
            eprintln!("note: {skipped} objects that are not cooper's are left out");
        }
        if taken == 0 {
            bail!("there is no resource of cooper in the files");
        }
        let told = Told::of(preview.tell().await?);
        print(self.output, &told, Told::text)?;
        Ok(told.end())
    }

    /// The cluster, if it is to be asked and can be.
    async fn reach(&self) -> anyhow::Result<Reached> {
        if self.offline {
            return Ok(self.cluster.none());
        }
        match self.cluster.reach().await {
            Ok(reached) => Ok(reached),
            Err(error) if self.credentials.are_in_cluster() => Err(error),
            Err(error) => {
                eprintln!("note: {error:#}; planned from the files alone, as with --offline");
                Ok(self.cluster.none())
            }
        }
    }

    fn documents(&self) -> anyhow::Result<Vec<Document>> {
        let mut documents = Vec::new();
        for path in &self.files {
            if path.as_os_str() == "-" {
                let mut text = String::new();
                let mut input = std::io::stdin().lock();
                input
                    .read_to_string(&mut text)
                    .context("cannot read standard input")?;
                take("standard input", &text, &mut documents)?;
                continue;
            }
            for file in files(path, self.recursive)? {
                let name = file.display().to_string();
                let text = std::fs::read_to_string(&file);
                let text = text.with_context(|| format!("cannot read {name}"))?;
                take(&name, &text, &mut documents)?;
            }
        }
        Ok(documents)
    }
}

/// One object of a file.
struct Document {
    file: String,
    value: Value,
}

/// The file itself, or the files of a folder that may hold objects, by name.
fn files(path: &Path, recursive: bool) -> anyhow::Result<Vec<PathBuf>> {
    let read = || format!("cannot read {}", path.display());
    if !std::fs::metadata(path).with_context(read)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(read)?;
    let mut entries: Vec<_> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(read)?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        let ending = entry.extension().and_then(|ending| ending.to_str());
        // Links are followed to files, but not to folders: they may lead in a circle.
        let is_folder = entry.is_dir() && !entry.is_symlink();
        if is_folder && recursive {
            found.extend(files(&entry, true)?);
        } else if entry.is_file() && matches!(ending, Some("yaml" | "yml" | "json")) {
            found.push(entry);
        }
    }
    Ok(found)
}

/// Takes the objects out of a file's text; those of a List one by one.
fn take(file: &str, text: &str, documents: &mut Vec<Document>) -> anyhow::Result<()> {
    let values: Vec<Value> = serde_saphyr::from_multiple(text)
        .with_context(|| format!("cannot read {file} as YAML or JSON"))?;
    for value in values {
        let items = value
            .get("items")
            .and_then(Value::as_array)
            .filter(|_| value.get("kind").is_some_and(|kind| kind == "List"));
        let values = match items {
            Some(items) => items.clone(),
            None if value.is_null() => Vec::new(),
            None => vec![value],
        };
        documents.extend(values.into_iter().map(|value| Document {
            file: file.to_owned(),
            value,
        }));
    }
    Ok(())
}

impl Told {
    fn of(resources: Vec<Forecast>) -> Self {
        let mut summary = BTreeMap::new();
        for forecast in &resources {
            *summary.entry(forecast.action).or_default() += 1;
        }
        Self {
            changes: resources.iter().any(Forecast::changes_something),
            summary,
            resources,
        }
    }

    fn end(&self) -> End {
        if self.resources.iter().any(Forecast::goes_wrong) {
            End::Wrong
        } else if self.changes {
            End::Found
        } else {
            End::Done
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for forecast in &self.resources {
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "{:7} {} {}/{}",
                forecast.action.word(),
                forecast.kind,
                forecast.namespace,
                forecast.name
            );
            let message = forecast
                .message
                .iter()
                .map(|message| format!("({message})"));
            for line in message.chain(forecast.changes.iter().cloned()) {
                let _ = writeln!(text, "        {}", line.replace(char::is_control, "?"));
            }
        }
        let counts = self.summary.iter();
        let counts = counts.map(|(action, count)| format!("{} {count}", action.word()));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let verdict = match self.end() {
            End::Done => "Nothing would change at the cloud",
            End::Found => "The cloud would be changed",
            End::Wrong => "Not all of this can be done",
        };
        let _ = writeln!(text, "\n{verdict}: {counts}.");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast(action: Action, changes: &[&str]) -> Forecast {
        Forecast {
            kind: "IamUser".into(),
            namespace: "media".into(),
            name: "ci".into(),
            action,
            changes: changes.iter().map(|change| (*change).to_owned()).collect(),
            message: None,
        }
    }

    #[test]
    fn the_exit_code_says_what_a_pipeline_wants_to_know() {
        let keep = || forecast(Action::Keep, &[]);
        for (one, end) in [
            (forecast(Action::Keep, &[]), End::Done),
            (forecast(Action::Adopt, &[]), End::Done),
            (forecast(Action::Wait, &[]), End::Done),
            (forecast(Action::Adopt, &["attach policy x"]), End::Found),
            (forecast(Action::Update, &["attach policy x"]), End::Found),
            (forecast(Action::Create, &[]), End::Found),
            (forecast(Action::Refuse, &[]), End::Wrong),
            (forecast(Action::Fail, &[]), End::Wrong),
        ] {
            let action = one.action;
            assert_eq!(Told::of(vec![keep(), one]).end(), end, "{action:?}");
        }
        let mixed = vec![forecast(Action::Create, &[]), forecast(Action::Refuse, &[])];
        assert_eq!(Told::of(mixed).end(), End::Wrong);
    }

    #[test]
    fn objects_come_out_of_documents_and_lists() {
        let text = "---\nkind: A\n---\n---\nkind: List\nitems: [{kind: B}, {kind: C}]\n";
        let mut documents = Vec::new();
        take("f", text, &mut documents).unwrap();
        let kinds: Vec<_> = documents.iter().map(|one| &one.value["kind"]).collect();
        assert_eq!(kinds, ["A", "B", "C"]);
    }

    #[test]
    fn the_text_has_one_line_a_resource_and_one_a_change() {
        let told = Told::of(vec![
            forecast(Action::Keep, &[]),
            forecast(Action::Update, &["detach policy a", "attach policy b"]),
        ]);
        assert_eq!(
            told.text(),
            "keep    IamUser media/ci\nupdate  IamUser media/ci\n        detach policy a\n        attach policy b\n\n\
             The cloud would be changed: update 1, keep 1.\n"
        );
    }
}
