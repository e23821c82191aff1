//! docs/operations.md: every operation of the cloud's API once, used as it says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use clap::{Command, CommandFactory};
use cooper::cli::Cli;
use cooper::upcloud::api::routes::ROUTES;
use serde_json::Value;

use crate::ground::{Emulator, repository};

/// An operation as the page tells it.
struct Row {
    request: String,
    /// Kinds, fields and commands; empty if it is not used.
    homes: Vec<String>,
    remark: String,
}

/// The rows of the page by number.
fn rows() -> BTreeMap<u16, Row> {
    let page = fs::read_to_string(repository("docs/operations.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Ok(number) = cells[0].parse() else {
            continue;
        };
        let quoted = |cell: &str| {
            let parts = cell.split('`').skip(1).step_by(2);
            parts.map(str::to_owned).collect::<Vec<_>>()
        };
        let row = Row {
            request: bare(&quoted(cells[1]).concat()),
            homes: quoted(cells[2]),
            remark: cells[3].to_owned(),
        };
        let is_unused = cells[2] == "–";
        assert_eq!(is_unused, row.homes.is_empty(), "{line}");
        assert!(
            rows.insert(number, row).is_none(),
            "{number} stands there twice"
        );
    }
    rows
}

/// A request without the names of what varies in its path.
fn bare(request: &str) -> String {
    let mut bare = String::new();
    let mut is_name = false;
    for letter in request.chars() {
        is_name &= letter != '}';
        if !is_name {
            bare.push(letter);
        }
        is_name |= letter == '{';
    }
    bare
}

#[test]
fn the_page_has_every_operation_and_a_reason_for_what_is_not_used() {
    let rows = rows();
    assert!(rows.keys().copied().eq(1..=94), "{:?}", rows.keys());
    for (number, row) in rows {
        assert!(
            !row.homes.is_empty() || !row.remark.is_empty(),
            "{number} has neither a home nor a reason"
        );
    }
}

#[test]
fn the_client_has_what_the_page_says_is_used_and_nothing_else() {
    let used = rows().into_iter().filter(|(_, row)| !row.homes.is_empty());
    let told: BTreeSet<_> = used.map(|(number, row)| (number, row.request)).collect();
    // Operation 0 is that of the account, which is another API.
    let routes = ROUTES.iter().filter(|route| route.operation > 0);
    let known: BTreeSet<_> = routes
        .map(|route| {
            (
                route.operation,
                bare(&format!("{} {}", route.method, route.template)),
            )
        })
        .collect();
    assert_eq!(told, known);
}

#[tokio::test]
async fn the_emulator_serves_every_operation_of_the_page() {
    let emulator = Emulator::start(&[]).await;
    let served = emulator.operations().await;
    let told: BTreeSet<_> = rows()
        .into_iter()
        .map(|(number, row)| (u64::from(number), row.request))
        .collect();
    let known: BTreeSet<_> = served
        .iter()
        .map(|row| {
            let request = format!(
                "{} {}",
                row["method"].as_str().unwrap(),
                row["path"].as_str().unwrap()
            );
            (row["operation"].as_u64().unwrap(), bare(&request))
        })
        .collect();
    assert_eq!(told, known);
    assert_eq!(served.len(), told.len());
}

#[test]
fn the_kinds_fields_and_commands_of_the_page_exist() {
    let definitions = cooper::kinds::crds().unwrap().into_iter();
    let schemas: BTreeMap<String, Value> = definitions
        .map(|(_, yaml)| {
            let crd: Value = serde_saphyr::from_str(&yaml).unwrap();
            let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
            (
                kind,
                crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone(),
            )
        })
        .collect();
    let program = Cli::command();
    let commands: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
    let mut wrong = Vec::new();
    for (number, row) in rows() {
        for home in row.homes {
            let exists = if let Some(command) = home.strip_prefix("cooper ") {
                commands.contains(&command)
            } else {
                let (kind, path) = home.split_once('.').unwrap_or((&home, ""));
                let pointer = path.split('.').filter(|name| !name.is_empty());
                let pointer: Vec<_> = pointer.flat_map(|name| ["/properties/", name]).collect();
                let schema = schemas.get(kind);
                schema.is_some_and(|schema| schema.pointer(&pointer.concat()).is_some())
            };
            if !exists {
                wrong.push(format!("{number}: {home}"));
            }
        }
    }
    assert!(wrong.is_empty(), "there is no\n{}", wrong.join("\n"));
}
