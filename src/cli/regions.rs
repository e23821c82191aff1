//! `cooper regions`: where services can be.

use clap::Args;
use serde::Serialize;

use super::{
    End,
    output::{Format, Table, print},
    reach::{Cluster, Credentials},
};
use crate::{engine::budget::Lane, upcloud::account::Account};

/// List the regions where object storage services can be, with their zones.
///
/// NEW says whether new services can be made in a region. A private network must be in one of the region's zones.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  UPCLOUD_TOKEN=… cooper regions\n  cooper regions --account default -o json"
)]
pub struct Regions {
    /// How the result looks.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    cluster: Cluster,
}

/// A region as it is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    name: String,
    /// `None`: the cloud does not say.
    allow_new: Option<bool>,
    primary_zone: Option<String>,
    zones: Vec<String>,
}

impl Regions {
    /// Lists them.
    pub async fn run(self) -> anyhow::Result<End> {
        let way = self.credentials.way_in(&self.cluster).await?;
        let cloud = way.open::<Account>().await?;
        let mut regions: Vec<Region> = cloud
            .api()
            .list_regions(Lane::Fresh)
            .await?
            .into_iter()
            .map(|region| Region {
                name: region.name,
                allow_new: region.allow_new,
                primary_zone: region.primary_zone,
                zones: region.zones.into_iter().map(|zone| zone.name).collect(),
            })
            .collect();
        regions.sort_by(|one, other| one.name.cmp(&other.name));
        print(self.output, &regions, |regions| table(regions))?;
        Ok(End::Done)
    }
}

fn table(regions: &[Region]) -> String {
    let mut table = Table::new(["REGION", "NEW", "PRIMARY ZONE", "ZONES"]);
    for region in regions {
        let new = match region.allow_new {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        table.row([
            region.name.clone(),
            new.into(),
            region.primary_zone.clone().unwrap_or_default(),
            region.zones.join(" "),
        ]);
    }
    table.finish()
}
