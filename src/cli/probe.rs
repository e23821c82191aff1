//! `cooper probe`: asks a running operator, from an image that has nothing else to ask with.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::End;

/// Time between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one try may take.
const ANSWER: Duration = Duration::from_secs(5);

/// What to ask.
#[derive(Debug, Args)]
pub struct Probe {
    /// Address to ask, such as http://cooper.cooper-system.svc:8080/readyz.
    url: String,
    /// How often to try, a second apart, until the answer is a success.
    #[arg(long, value_name = "COUNT", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    tries: u32,
}

impl Probe {
    /// Prints the answer of the first success, or fails with the last one.
    pub async fn run(self) -> anyhow::Result<End> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER)
            .build()
            .context("cannot make a client")?;
        let mut last = None;
        for _ in 0..self.tries {
            match ask(&client, &self.url).await {
                Ok(text) => {
                    print!("{text}");
                    return Ok(End::Done);
                }
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
        match last {
            Some(error) => Err(error),
            None => Ok(End::Wrong),
        }
    }
}

async fn ask(client: &reqwest::Client, url: &str) -> anyhow::Result<String> {
    let answer = client.get(url).send().await.context("no answer")?;
    let status = answer.status();
    let text = answer.text().await.context("the answer broke off")?;
    if !status.is_success() {
        bail!("{url} answers {status}: {text}");
    }
    Ok(text)
}
