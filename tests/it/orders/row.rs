//! The table of deletions.

use std::fmt;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// The full set, parents first. The bucket is the website's, the policy that of user, group and role, the group the user's, and the user
/// the one whom the role trusts.
pub const SET: [(&str, &str); 9] = [
    ("Account", "default"),
    ("ObjectStorageService", "media"),
    ("Bucket", "logs"),
    ("IamPolicy", "logs-rw"),
    ("IamGroup", "ops"),
    ("IamUser", "ci"),
    ("IamRole", "runner"),
    ("CustomDomain", "files"),
    ("StaticWebsite", "site"),
];

/// Which is deleted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    ParentFirst,
    ChildrenFirst,
    /// The Secret of the account, then the account, then the rest.
    CredentialsFirst,
    Random(u64),
}

/// How it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `kubectl delete`
    Background,
    /// `kubectl delete --cascade=foreground`
    Foreground,
    /// `kubectl delete --cascade=orphan`
    Orphan,
    /// `kubectl delete namespace`
    Namespace,
}

/// What else goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circumstance {
    Nothing,
    /// Somebody deleted the service at the cloud.
    ServiceGone,
    /// The operator is away while things are deleted.
    OperatorDown,
    /// Everything is edited meanwhile, and somebody takes our finalizer off the user.
    Race,
    Paused,
    /// `managementPolicy: Observe`
    Observed,
    /// `deletionPolicy: Orphan`
    Orphaned,
    /// Somebody switched on the termination protection of the service.
    Protected,
    /// The bucket holds an object.
    Filled,
}

const CIRCUMSTANCES: [Circumstance; 9] = [
    Circumstance::Nothing,
    Circumstance::ServiceGone,
    Circumstance::OperatorDown,
    Circumstance::Race,
    Circumstance::Paused,
    Circumstance::Observed,
    Circumstance::Orphaned,
    Circumstance::Protected,
    Circumstance::Filled,
];

/// One deletion of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub order: Order,
    pub way: Way,
    pub circumstance: Circumstance,
}

/// What is left at the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Nothing,
    /// The service, and in it the bucket alone.
    TheBucket,
    Everything,
}

/// What becomes of the Secret of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    Goes,
    /// It stays as it was, owned by nobody, and its key is live.
    Stays,
    /// Kubernetes takes it before cooper can let go of it, or after: then its key, which nobody can read any more, is revoked if cooper
    /// came later.
    Lost,
    /// Kubernetes or somebody else decides.
    Either,
}

impl Row {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let mut rows = Vec::new();
        let mut seed = 0;
        for circumstance in CIRCUMSTANCES {
            let mut add = |order, way| {
                rows.push(Self {
                    order,
                    way,
                    circumstance,
                });
            };
            for way in [Way::Background, Way::Foreground, Way::Orphan] {
                add(Order::ParentFirst, way);
                add(Order::ChildrenFirst, way);
                add(Order::CredentialsFirst, way);
                seed += 1;
                add(Order::Random(seed), way);
            }
            add(Order::ParentFirst, Way::Namespace);
            add(Order::CredentialsFirst, Way::Namespace);
        }
        rows
    }

    /// What is deleted one after the other.
    pub fn sequence(&self) -> Vec<(&'static str, &'static str)> {
        let mut set = SET.to_vec();
        match self.order {
            Order::ParentFirst | Order::CredentialsFirst => {}
            Order::ChildrenFirst => set.reverse(),
            Order::Random(seed) => set.shuffle(&mut StdRng::seed_from_u64(seed)),
        }
        set
    }

    /// Whether the way out of a full bucket is the annotation to abandon, not the word `Delete`.
    pub fn abandons(&self) -> bool {
        self.circumstance == Circumstance::Filled
            && matches!(self.order, Order::ChildrenFirst | Order::CredentialsFirst)
    }

    /// Whether everything is kept at the cloud.
    pub fn keeps(&self) -> bool {
        matches!(
            self.circumstance,
            Circumstance::Observed | Circumstance::Orphaned
        )
    }

    /// What is promised of the cloud.
    pub fn left(&self) -> Left {
        match () {
            () if self.keeps() => Left::Everything,
            () if self.abandons() => Left::TheBucket,
            () => Left::Nothing,
        }
    }

    /// What is promised of the Secret.
    pub fn secret(&self) -> Secret {
        match (self.keeps(), self.way, self.circumstance) {
            (true, Way::Background | Way::Orphan, _) => Secret::Stays,
            (true, Way::Namespace, _) => Secret::Lost,
            // Garbage collection may be faster than the letting go; without our finalizer it is between it and whoever asked to leave things.
            (true, Way::Foreground, _) | (false, Way::Orphan, Circumstance::Race) => Secret::Either,
            (false, _, _) => Secret::Goes,
        }
    }

    /// Who must be gone before a kind can go.
    pub fn blockers(&self, kind: &str) -> Vec<&'static str> {
        let mut blockers = match kind {
            // Its session is needed to the end, also by what does not keep the service.
            "Account" => SET[1..].iter().map(|(kind, _)| *kind).collect(),
            "ObjectStorageService" => SET[2..].iter().map(|(kind, _)| *kind).collect(),
            "Bucket" => vec!["StaticWebsite"],
            "IamPolicy" => vec!["IamUser", "IamGroup", "IamRole"],
            "IamGroup" => vec!["IamUser"],
            "IamUser" => vec!["IamRole"],
            _ => Vec::new(),
        };
        // Of a user that went without us only its service rids the others.
        if self.circumstance == Circumstance::Race
            && !matches!(kind, "Account" | "ObjectStorageService")
        {
            blockers.push("ObjectStorageService");
        }
        blockers
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            Order::ParentFirst => "parent".to_owned(),
            Order::ChildrenFirst => "children".to_owned(),
            Order::CredentialsFirst => "credentials".to_owned(),
            Order::Random(seed) => format!("random-{seed}"),
        };
        let way = format!("{:?}", self.way).to_lowercase();
        let circumstance = format!("{:?}", self.circumstance).to_lowercase();
        write!(f, "{order}/{way}/{circumstance}")
    }
}
