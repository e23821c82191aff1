//! Puts the operator together: clients, shared core, controllers, fence check, background work.
//!
//! The whole operator is one value without global state. Dropping its future is a crash, building another one is a restart; the tests do
//! both, over and over.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use futures::future::{BoxFuture, FutureExt, Shared};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, Config, api::PostParams, client::ClientBuilder};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    engine::{
        account::{Accounts, Outside, Provider},
        brake::Brakes,
        clock::Clock,
        controller::{Controlled, Scope, controller},
        core::{Core, Gate, Settings},
        depth::Depths,
        event::Events,
        external::External,
        guarded::Watched,
        hands::Hands,
        index::{Owners, References},
        known::Known,
        metrics::{MeterLayer, Metrics},
        object::{ANSWER, Trouble, answered},
        office::{Led, Office},
        pass::Engine,
        pulse::Pulse,
        secret::{FENCE, Secrets},
        secret_watch::{self, Sightings},
        trace::Traces,
        wake::Wakes,
    },
    http::Meter,
    kinds::{self, ProviderName},
    lease::{Election, Terms},
    server::LEADERSHIP,
    shallow::Shallow,
    wire::{Wire, WireLayer},
};

/// What an operator is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose kinds are worked for. Those of others are neither watched nor waited for.
    pub providers: Vec<ProviderName>,
    /// Which namespaces are watched.
    pub scope: Scope,
    /// How often things are looked at.
    pub settings: Settings,
    /// Namespace of the operator itself, in which the fence is checked. `None`: the fence is not checked, on purpose.
    pub fence_namespace: Option<String>,
    /// The election it takes part in. `None`: it works at once, so it must be the only one.
    pub lease: Option<Terms>,
    /// Which passes are traced; whoever makes this also sends what it collects.
    pub traces: Traces,
}

/// One operator.
pub struct App {
    watching: Client,
    sightings: Option<Arc<Sightings>>,
    core: Arc<Core>,
    mailbox: crate::engine::event::Mailbox,
    /// For the Lease: a client that no lack of leadership stops.
    free: Option<Client>,
    outside: Outside,
    options: Options,
}

/// When the operator is asked to stop. Every controller listens.
type Stop = Shared<BoxFuture<'static, ()>>;

/// Sets up the controllers of a provider's kinds.
pub struct Setup<'a> {
    app: &'a App,
    stop: &'a Stop,
    controllers: Vec<BoxFuture<'static, ()>>,
}

impl App {
    /// An operator for the cluster that `config` leads to. Every request of it, to the cluster and to the clouds, asks `wire` first.
    pub fn new(
        config: Config,
        wire: Arc<dyn Wire>,
        clock: Clock,
        options: Options,
    ) -> anyhow::Result<Self> {
        let office = Arc::new(match &options.lease {
            Some(_) => Office::of_candidate(),
            None => Office::default(),
        });
        let metrics = Arc::new(Metrics::default());
        let free = Arc::clone(&wire);
        let wire: Arc<dyn Wire> = Arc::new(Led::new(wire, Arc::clone(&office)));
        let watching = client(config.clone(), &wire, &metrics)
            .context("cannot build the client for watches")?;
        let mut patient = config;
        // A repeated write whose first answer was lost would look like somebody else's.
        patient.default_retry = false;
        let free = match &options.lease {
            Some(_) => Some(
                client(patient.clone(), &free, &metrics)
                    .context("cannot build the client for the Lease")?,
            ),
            None => None,
        };
        let kube =
            client(patient, &wire, &metrics).context("cannot build the client for writes")?;
        let wakes = Arc::new(Wakes::new(clock.clone()));
        let (events, mailbox) = Events::new(kube.clone(), clock.clone(), Arc::clone(&metrics));
        let sightings = options.settings.watch_secrets.then(Arc::default);
        let secrets = Secrets::new(kube.clone());
        let core = Core {
            secrets: match &sightings {
                Some(sightings) => secrets.noting(Arc::clone(sightings)),
                None => secrets,
            },
            kube,
            began: clock.now(),
            clock: clock.clone(),
            known: Known::default(),
            references: References::default(),
            owners: Owners::default(),
            brakes: Brakes::default(),
            wakes,
            events,
            settings: options.settings.clone(),
            depths: Depths::default(),
            hands: Hands::default(),
            gate: Gate::default(),
            office,
            pulse: Pulse::default(),
            metrics,
            traces: options.traces.clone(),
            wire: Arc::clone(&wire),
        };
        let meter = Arc::clone(&core.metrics) as Arc<dyn Meter>;
        let outside = Outside { clock, wire, meter };
        Ok(Self {
            watching,
            sightings,
            core: Arc::new(core),
            mailbox,
            free,
            outside,
            options,
        })
    }

    /// What the controllers share, for those who ask how it goes.
    pub fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core)
    }

    /// Runs until `stop` ends and the passes under way that change something are through, [`GRACE`] at most. An error if leadership is
    /// lost: then everything ends where it stands.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        let stop: Stop = stop.boxed().shared();
        if self.options.lease.is_some() {
            self.core.gate.shut(LEADERSHIP);
        }
        let mut setup = Setup {
            app: &self,
            stop: &stop,
            controllers: Vec::new(),
        };
        kinds::set_up(&mut setup, &self.options.providers);
        let controllers = setup.controllers;
        let (core, wakes) = (Arc::clone(&self.core), Arc::clone(&self.core.wakes));
        let watch = self.sightings.map(|sightings| {
            secret_watch::watch(
                Arc::clone(&self.core),
                sightings,
                self.watching.clone(),
                self.options.scope.clone(),
            )
        });
        let fence = fence(Arc::clone(&self.core), self.options.fence_namespace.clone());
        // Each is ended with the operator: nothing of it runs on after a crash.
        let _timer =
            AbortOnDropHandle::new(tokio::spawn(async move { wakes.run(&core.pulse).await }));
        let _mailbox = AbortOnDropHandle::new(tokio::spawn(self.mailbox.run()));
        let _watch = watch.map(|watch| AbortOnDropHandle::new(tokio::spawn(watch)));
        let _fence = AbortOnDropHandle::new(tokio::spawn(fence));
        let controllers = controllers
            .into_iter()
            .map(|run| AbortOnDropHandle::new(tokio::spawn(run)));
        let work = Box::pin(work(controllers.collect(), Arc::clone(&self.core), stop));
        let Some((terms, free)) = self.options.lease.zip(self.free) else {
            return work.await;
        };
        let election = Election::new(free, terms, Arc::clone(&self.core.office));
        led(work, election, &self.core).await
    }
}

impl Setup<'_> {
    /// The accounts of a provider. Answers what its other kinds need.
    pub fn accounts<A: Provider + Watched>(&mut self) -> Arc<Accounts<A>> {
        let accounts = Arc::new(Accounts::<A>::new(
            Arc::clone(&self.app.core),
            self.app.outside.clone(),
        ));
        self.run::<A, _>(Arc::clone(&accounts));
        accounts
    }

    /// A kind that lives in these accounts.
    pub fn kind<K: External>(&mut self, accounts: &Accounts<K::Account>) {
        let engine = Engine::<K>::new(Arc::clone(&self.app.core), Arc::clone(&accounts.sessions));
        self.run::<K, _>(Arc::new(engine));
    }

    fn run<K: Watched, C: Controlled<K>>(&mut self, kind: Arc<C>) {
        let run = controller::<K, C>(
            self.app.watching.clone(),
            self.app.options.scope.clone(),
            kind,
            self.stop.clone(),
        );
        self.controllers.push(run.boxed());
    }
}

/// Ends when the controllers have, which they do once `stop` has ended and their passes are through.
///
/// A pass that changes something is let finish, within [`GRACE`]. Of the others, which only look, the slow ones are not waited for.
async fn work(
    controllers: Vec<AbortOnDropHandle<()>>,
    core: Arc<Core>,
    stop: Stop,
) -> anyhow::Result<()> {
    let enough = async {
        stop.await;
        if tokio::time::timeout(GRACE, core.hands.rest())
            .await
            .is_err()
        {
            tracing::warn!(
                "passes are cut off after {} s; they are taken up again",
                GRACE.as_secs()
            );
        }
        tokio::time::sleep(BREATH).await;
    };
    tokio::select! {
        ends = futures::future::join_all(controllers) => {
            for done in ends {
                done.context("a controller ended by a bug")?;
            }
        }
        () = enough => {}
    }
    Ok(())
}

/// Works while this operator leads, and hands over in the end.
async fn led(
    work: impl Future<Output = anyhow::Result<()>> + Unpin,
    mut election: Election,
    core: &Core,
) -> anyhow::Result<()> {
    let term = async {
        election.win().await;
        core.gate.open(LEADERSHIP);
        election.keep(&core.metrics).await
    };
    let done = tokio::select! {
        done = work => done,
        lost = term => return Err(lost.into()),
    };
    election.release().await;
    done
}

fn client(config: Config, wire: &Arc<dyn Wire>, metrics: &Arc<Metrics>) -> anyhow::Result<Client> {
    let builder = ClientBuilder::try_from(config)?;
    Ok(builder
        .with_layer(&Shallow)
        .with_layer(&WireLayer::new(Arc::clone(wire)))
        .with_layer(&MeterLayer(Arc::clone(metrics)))
        .build())
}

/// Who keeps the gate shut while the fence is not known to stand.
const FENCE_GATE: &str = "admission fence";
/// Between two checks of a fence that stands.
const FENCE_CHECK: Duration = Duration::from_mins(10);
/// Between two checks of one that does not; a new policy is active within a second.
const FENCE_RETRY: Duration = Duration::from_secs(1);

/// Sees to it that nothing is done while the admission fence is missing or names somebody else: without it, the rights we hold would
/// open every Secret.
async fn fence(core: Arc<Core>, namespace: Option<String>) {
    let Some(namespace) = namespace else { return };
    core.gate.shut(FENCE_GATE);
    loop {
        match fence_stands(&core.kube, &namespace).await {
            Ok(true) => core.gate.open(FENCE_GATE),
            Ok(false) => {
                core.gate.shut(FENCE_GATE);
                let why = format!(
                    "it does not stand: a Secret without our label could be made in {namespace}. \
                     Nothing is done until deploy/base/fence.yaml is installed and names this ServiceAccount"
                );
                if core.gate.because(FENCE_GATE, &why) {
                    tracing::error!("the admission fence: {why}");
                }
            }
            // Not knowing for a moment does not make the fence fall; not knowing at start keeps the gate shut.
            Err(trouble) => {
                core.gate
                    .because(FENCE_GATE, &format!("it could not be checked: {trouble}"));
                tracing::warn!(error = %trouble, "the admission fence could not be checked");
            }
        }
        let wait = if core.gate.shut_by().contains(FENCE_GATE) {
            FENCE_RETRY
        } else {
            FENCE_CHECK
        };
        tokio::time::sleep(wait).await;
    }
}

/// Whether an unlabelled Secret is refused with the fence's words. A dry run: nothing is made.
async fn fence_stands(kube: &Client, namespace: &str) -> Result<bool, Trouble> {
    let api: Api<Secret> = Api::namespaced(kube.clone(), namespace);
    let metadata = ObjectMeta {
        name: Some("cooper-fence-check".into()),
        ..ObjectMeta::default()
    };
    let secret = Secret {
        metadata,
        ..Secret::default()
    };
    let how = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match answered(api.create(&how, &secret)).await {
        Err(Trouble::Kube(kube::Error::Api(status))) if status.message.contains(FENCE) => Ok(true),
        Ok(_) | Err(Trouble::Conflict) => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

/// For passes that change nothing, to say what they have seen.
const BREATH: Duration = Duration::from_millis(200);
/// Longest time that passes may take to finish at a graceful stop: one answer of the API server and one of a cloud.
pub const GRACE: Duration = Duration::from_secs(ANSWER.as_secs() + 30);
