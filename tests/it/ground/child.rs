//! A server that a test starts: one line of JSON when it is ready, commands and
//! answers after that, its end when nobody holds it any more.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

/// How many of the last lines of standard error a failure shows.
const REMEMBERED: usize = 40;

/// A child process that speaks JSON lines and ends when its standard input
/// closes: on drop, and also when the test process dies in whatever way.
pub struct Child {
    what: String,
    process: std::process::Child,
    input: Option<ChildStdin>,
    lines: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
    complaints: Arc<Mutex<VecDeque<String>>>,
}

impl Child {
    /// Starts `command`; `what` is its name in messages.
    pub fn start(what: &str, mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command
            .spawn()
            .unwrap_or_else(|error| panic!("{what} does not start: {error}"));
        let (sender, lines) = mpsc::unbounded_channel();
        each_line(process.stdout.take(), move |line| drop(sender.send(line)));
        let complaints = Arc::new(Mutex::new(VecDeque::new()));
        let heard = Arc::clone(&complaints);
        each_line(process.stderr.take(), move |line| {
            let mut heard = heard.lock().unwrap();
            heard.push_back(line);
            if heard.len() > REMEMBERED {
                heard.pop_front();
            }
        });
        let input = process.stdin.take();
        Self {
            what: what.to_owned(),
            process,
            input,
            lines: lines.into(),
            complaints,
        }
    }

    /// The next line of standard output, decoded.
    pub async fn line<T: DeserializeOwned>(&self, limit: Duration) -> T {
        let mut lines = self.lines.lock().await;
        let Ok(Some(line)) = tokio::time::timeout(limit, lines.recv()).await else {
            panic!(
                "{} said nothing on standard output within {limit:?}; standard error:\n{}",
                self.what,
                self.complaints()
            );
        };
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{} said {line:?}: {error}", self.what))
    }

    /// Writes a command; the answer is the next [`line`](Self::line).
    pub fn say(&self, command: &str) {
        let mut input = self.input.as_ref().expect("open until dropped");
        writeln!(input, "{command}").unwrap_or_else(|error| {
            panic!(
                "{} does not listen: {error}; standard error:\n{}",
                self.what,
                self.complaints()
            )
        });
    }

    fn complaints(&self) -> String {
        self.complaints.lock().unwrap().make_contiguous().join("\n")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

fn each_line(
    stream: Option<impl Read + Send + 'static>,
    mut hear: impl FnMut(String) + Send + 'static,
) {
    let stream = stream.expect("piped");
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            hear(line);
        }
    });
}
