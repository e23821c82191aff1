//! Every reason that a condition or an event may carry, in one place.

use std::fmt;

/// Takes the variants as an enum has them, in groups, and keeps their doc lines for the reference.
macro_rules! reasons {
    ($(=> $group:literal $($(#[doc = $line:literal])+ $name:ident,)+)+) => {
        /// Why a condition stands or an event was sent. Its name is what users see and alerts match on: never rename one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($($(#[doc = $line])+ $name,)+)+
        }

        impl Reason {
            /// All reasons, in groups with a heading each.
            pub const GROUPS: &'static [(&'static str, &'static [Self])] =
                &[$(($group, &[$(Self::$name),+])),+];

            /// The reasons that a condition may have, each of which has a page in `docs/runbooks/reasons`; the others are of events alone.
            pub fn of_conditions() -> impl Iterator<Item = Self> {
                let groups = Self::GROUPS.iter();
                let groups = groups.filter(|(heading, _)| !heading.ends_with("as events"));
                groups.flat_map(|(_, reasons)| reasons.iter().copied())
            }

            /// What it means, in one or two sentences.
            pub fn meaning(self) -> &'static str {
                match self {
                    $($(Self::$name => concat!($($line),+).trim_start(),)+)+
                }
            }
        }
    };
}

reasons! {
    => "All is well"
    /// The remote is as wanted and usable.
    Available,
    /// The last pass did what the spec says.
    InSync,
    /// Every reference was found.
    Found,
    /// Work goes on by itself.
    Progressing,
    /// Only observed (`managementPolicy: Observe`), and it is as the spec wants.
    Observed,
    /// Only observed, and it differs from the spec.
    Drifted,
    /// Only observed, and there is nothing.
    NotThere,

    => "Steps, as events"
    /// The remote was made.
    Created,
    /// An existing remote was taken over.
    Adopted,
    /// The remote was changed.
    Updated,
    /// The remote was deleted.
    Deleted,
    /// cooper let go of the remote.
    Released,
    /// The finalizer was taken off by hand's order; the remote stays.
    Abandoned,
    /// A deletion was undone by annotation: the remote stays, and so does its Secret.
    Undone,
    /// A deletion was to be undone after the remote was deleted.
    UndoTooLate,
    /// The remote of a resource whose deletion was undone was taken back.
    Restored,
    /// The deletions that the account's brake had stopped go on.
    BrakeReleased,

    => "Waiting"
    /// A named resource does not exist or is not ready.
    ReferenceNotReady,
    /// The owner of a named resource does not share it with this namespace.
    ReferenceNotAllowed,
    /// The account has no working session yet.
    AccountNotReady,
    /// The cloud is setting the remote up.
    SettingUp,
    /// The cloud is removing the remote.
    Removing,
    /// The remote needs somebody's attention at the cloud.
    RemoteBroken,
    /// The annotation `cooper.dev/paused` is set.
    Paused,
    /// A deletion waits until something is released.
    DeletionHeld,
    /// The access keys are switched off, and the remote is deleted when its undo window is over.
    UndoWindow,
    /// A deletion is being undone.
    Undoing,
    /// The namespace is being deleted, nothing new can be made in it.
    NamespaceTerminating,

    => "Somebody must act"
    /// The spec cannot work as it is.
    InvalidSpec,
    /// Something of this name exists and is not ours.
    NameTaken,
    /// Another resource stands for the same remote.
    AlreadyManaged,
    /// A field differs that cannot be changed.
    ImmutableField,
    /// The spec now points to another place than the one this resource stands for.
    PlaceChanged,
    /// The remote is gone, and so are its contents.
    RemoteLost,
    /// The remote cannot be made, only found.
    CannotCreate,
    /// The stored object cannot be read.
    Undecodable,
    /// So much of an account was deleted at once that its deletions wait until somebody says that they are meant.
    Braked,

    => "Faults"
    /// The cloud did not answer or answered with a fault of its own.
    CloudUnavailable,
    /// The cloud asked for fewer requests.
    Throttled,
    /// The cloud refused the credentials.
    CredentialsRefused,
    /// The cloud refused the request.
    Refused,
    /// It is unknown whether the cloud did what it was asked for.
    OutcomeUnknown,
    /// An answer came that is not of the API's shape.
    AnswerNotUnderstood,
    /// The endpoint points somewhere else.
    Redirected,
    /// The credentials work but lack a permission.
    PermissionMissing,
    /// Something that the request names is not there.
    NotFound,
    /// It is in use by others and cannot go.
    StillAttached,
    /// It holds things and cannot go.
    NotEmpty,
    /// It is protected against termination.
    TerminationProtected,
    /// A quota of the cloud is used up.
    QuotaExceeded,
    /// The account cannot pay.
    InsufficientCredits,
    /// Somebody else changed the same thing at the same time.
    Conflict,
    /// The Kubernetes API server refused or failed.
    KubernetesUnavailable,
    /// A pass ended by a bug; others go on.
    InternalError,

    => "Accounts"
    /// The credentials Secret does not exist.
    SecretNotFound,
    /// The credentials Secret lacks the label of consent.
    SecretNotLabelled,
    /// The credentials Secret does not hold exactly one kind of credentials.
    InvalidCredentials,
    /// The credentials belong to another account than the one seen before.
    AnotherAccount,
    /// Credentials work.
    Connected,
    /// The account is in use and cannot go yet.
    InUse,

    => "What a key is good for"
    /// No policy allows the user anything.
    NoPolicy,
    /// What its policies allow is denied by others.
    ExplicitDeny,
    /// What its policies allow is outside its permissions boundary.
    Boundary,

    => "Access keys"
    /// The Secret holds a live key.
    Issued,
    /// A new key is being rolled out beside the old one.
    Rotating,
    /// The old key is kept on purpose.
    Held,
    /// A key is being made.
    Minting,
    /// An answer was lost; whether a key was made shows later.
    AwaitingLostMint,
    /// A Secret of the wanted name exists and is not ours.
    SecretNotOurs,
    /// The user has as many keys as the cloud allows, and they are not ours.
    QuotaFull,
    /// More than one key could be the one whose answer was lost.
    AmbiguousKeys,
    /// Keys exist that cooper did not make.
    UnknownKeys,
    /// Lost keys are being cleaned up; no more attempts until then.
    LostKeys,
    /// The new key was not accepted by the storage endpoint.
    NewKeyNotAccepted,

    => "Steps of access keys, as events"
    /// A key was made and committed.
    KeyIssued,
    /// A key was made whose answer was lost.
    KeyLost,
    /// A key was set Inactive.
    KeyDeactivated,
    /// A key was deleted.
    KeyDeleted,
    /// A key that had been suspected was set free.
    KeyReleased,
    /// The Secret was left behind with live keys.
    SecretReleased,
    /// The Secret was made whole again.
    SecretHealed,
    /// The old key was put back into service.
    RolledBack,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
