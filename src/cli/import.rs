//! `cooper import`: what exists, as YAML that takes it over.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    End,
    output::write,
    reach::{Cluster, Credentials},
};
use crate::{
    engine::inventory::{Asked, Inventory},
    kinds,
};

/// Write YAML for what exists at an account, so that cooper takes it over.
///
/// Every resource says adoption: IfExists and describes what is there, so that applying it changes nothing at the cloud; `cooper plan`
/// tells whether that still holds. Access keys are left out, since their secrets cannot be read again: add spec.accessKey where a key is
/// wanted. What no resource can stand for is named on standard error. Nothing is written to the cloud or to a cluster.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  UPCLOUD_TOKEN=… cooper import --account-ref default > account.yaml\n  cooper import --account infra/default --service media -n infra | kubectl apply --dry-run=server -f -"
)]
pub struct Import {
    /// Only the service of this name and what is in it.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Name of the Account that the services will name. Default: the name given by --account, else default.
    #[arg(long, value_name = "NAME")]
    account_ref: Option<String>,
    /// How the result looks.
    #[arg(long, short, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    cluster: Cluster,
}

/// How resources are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// YAML, one document a resource.
    #[default]
    Yaml,
    /// JSON, one List.
    Json,
}

impl Import {
    /// Writes them.
    pub async fn run(self) -> anyhow::Result<End> {
        let way = self.credentials.way_in(&self.cluster).await?;
        let account = self
            .account_ref
            .as_deref()
            .or_else(|| self.credentials.account_name())
            .unwrap_or("default");
        let asked = Asked::new(
            account.to_owned(),
            self.cluster.namespace.clone(),
            self.service.clone(),
        );
        let mut inventory = Inventory::new(&way, &asked);
        kinds::list(&mut inventory);
        let resources = inventory.list().await?;
        for what in asked.left_out() {
            eprintln!("left out: {what}");
        }
        if let (true, Some(service)) = (resources.is_empty(), &self.service) {
            anyhow::bail!("the account has no service named {service}");
        }
        write(&written(self.output, &resources)?)?;
        Ok(End::Done)
    }
}

fn written(form: Form, resources: &[Value]) -> anyhow::Result<String> {
    match form {
        Form::Yaml => {
            let mut text = String::new();
            for resource in resources {
                text.push_str("---\n");
                text.push_str(&serde_saphyr::to_string(resource)?);
            }
            Ok(text)
        }
        Form::Json => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": resources});
            Ok(serde_json::to_string_pretty(&list)? + "\n")
        }
    }
}
