//! The decision: what one look at a remote asks for. Pure, total, and tested as one table.

/// What the resource asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The remote exists and equals the spec.
    Present,
    /// The remote is deleted.
    Gone,
    /// cooper lets go; the remote stays as it is.
    Released,
}

/// Whose the remote at this place is, should there be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// `status.place` names it: cooper made or adopted it.
    Ours,
    /// Not ours, but the resource says `adoption: IfExists`.
    Adoptable,
    /// Not ours.
    Foreign,
}

/// What was seen of the remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is none.
    Absent,
    /// It is on its way out and cannot be used or remade yet.
    Leaving,
    /// It differs in something that cannot be changed.
    Fixed,
    /// It differs in something that can be changed.
    Differs,
    /// It is as wanted.
    Same,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Claim the place and make the remote.
    Create,
    /// Claim what is there.
    Adopt,
    /// Send the changes.
    Update,
    /// Nothing: all is as wanted.
    Keep,
    /// Nothing yet: look again later.
    Wait,
    /// Nothing: say why in a condition.
    Refuse,
    /// Delete the remote.
    Delete,
    /// Nothing is left to do at the cloud.
    Done,
}

/// The decision table, 3 × 3 × 5.
///
/// A foreign remote is never written to, a released one neither; deleting a resource whose place holds something foreign is done at once.
pub fn plan(want: Want, claim: Claim, seen: Seen) -> Step {
    match (want, claim, seen) {
        (Want::Released, _, _)
        | (Want::Gone, _, Seen::Absent)
        | (Want::Gone, Claim::Foreign | Claim::Adoptable, _) => Step::Done,
        (Want::Gone, Claim::Ours, Seen::Leaving) | (Want::Present, _, Seen::Leaving) => Step::Wait,
        (Want::Gone, Claim::Ours, Seen::Fixed | Seen::Differs | Seen::Same) => Step::Delete,
        (Want::Present, _, Seen::Absent) => Step::Create,
        (Want::Present, Claim::Foreign, _)
        | (Want::Present, Claim::Ours | Claim::Adoptable, Seen::Fixed) => Step::Refuse,
        (Want::Present, Claim::Adoptable, Seen::Differs | Seen::Same) => Step::Adopt,
        (Want::Present, Claim::Ours, Seen::Differs) => Step::Update,
        (Want::Present, Claim::Ours, Seen::Same) => Step::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim::*, Seen::*, Step::*, Want::*, *};

    #[test]
    fn every_row_of_the_decision_table() {
        // Columns: Absent, Leaving, Fixed, Differs, Same.
        let table = [
            (Present, Ours, [Create, Wait, Refuse, Update, Keep]),
            (Present, Adoptable, [Create, Wait, Refuse, Adopt, Adopt]),
            (Present, Foreign, [Create, Wait, Refuse, Refuse, Refuse]),
            (Gone, Ours, [Done, Wait, Delete, Delete, Delete]),
            (Gone, Adoptable, [Done, Done, Done, Done, Done]),
            (Gone, Foreign, [Done, Done, Done, Done, Done]),
            (Released, Ours, [Done, Done, Done, Done, Done]),
            (Released, Adoptable, [Done, Done, Done, Done, Done]),
            (Released, Foreign, [Done, Done, Done, Done, Done]),
        ];
        for (want, claim, steps) in table {
            for (seen, step) in [Absent, Leaving, Fixed, Differs, Same]
                .into_iter()
                .zip(steps)
            {
                assert_eq!(plan(want, claim, seen), step, "{want:?} {claim:?} {seen:?}");
            }
        }
    }
}
