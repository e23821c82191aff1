//! `status --watch`: how a long creation goes on.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;

use super::Cooper;
use crate::ground::Need;
use crate::scene::{PATIENCE, Scene};

/// Longer than an operator waits between two looks at a cloud that is at work.
const LOOK: Duration = Duration::from_secs(31);

/// What it prints, line by line.
struct Shown(Lines<BufReader<ChildStdout>>);

impl Shown {
    /// The next line with these words.
    async fn until(&mut self, words: &str) -> String {
        let mut lines = Vec::new();
        while let Some(line) = self.next().await {
            if line.contains(words) {
                return line;
            }
            lines.push(line);
        }
        panic!("no {words:?} in {lines:#?}");
    }

    /// All that is left.
    async fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.next().await {
            lines.push(line);
        }
        lines
    }

    async fn next(&mut self) -> Option<String> {
        let line = tokio::time::timeout(PATIENCE, self.0.next_line()).await;
        line.expect("it prints every two seconds").unwrap()
    }
}

#[tokio::test]
async fn status_watch_shows_each_state_of_a_service_and_ends_when_all_is_ready() {
    let scene = Scene::open().await;
    if scene.ground.lacks(&[Need::Controllers]) {
        return;
    }
    scene.cloud.stick(Some("setup-tls")).await;
    scene.service().await;
    let cooper = Cooper::in_cluster(&scene).await;
    let mut child = cooper.start(&["status", "--watch"]);
    let mut shown = Shown(BufReader::new(child.stdout.take().unwrap()).lines());

    let told = shown.until("setup-tls").await;
    assert!(told.contains("! NOT READY"), "{told}");
    scene.cloud.stick(Some("setup-checkup")).await;
    scene.advance(LOOK).await;
    shown.until("setup-checkup").await;
    scene.cloud.stick(None).await;
    scene.advance(LOOK).await;
    let rest = shown.rest().await;

    let ended = child.wait().await.unwrap();
    assert_eq!(ended.code(), Some(0), "{rest:#?}");
    let last = &rest[rest.len() - 3..];
    let account = format!("Account {}/default", &*scene.namespace);
    let service = "  ObjectStorageService media";
    assert_eq!(
        last,
        [&account, service, "2 resources, 0 not as wanted"],
        "{rest:#?}"
    );
}
