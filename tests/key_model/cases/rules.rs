//! Each rule of the protocol is needed: without it something breaks.

use cooper_key_model::search::explore_for;
use cooper_key_model::world::{Act, Budget, Rule, Setting};

use crate::heals::holds;
use crate::{MOST, budget, setting};

/// What a rule is for: without it, this is broken, as the search words it.
fn is_for(rule: Rule) -> &'static str {
    match rule {
        Rule::Deadline
        | Rule::ListAfterResource
        | Rule::FinalizerWaits
        | Rule::StagingsAsEvidence
        | Rule::MarkReplaces
        | Rule::ChainLimits
        | Rule::LedgerBeforeTest
        | Rule::OnePost
        | Rule::UnusedUntilCommit
        | Rule::ChainJudgesItsOwn
        | Rule::ReleaseWaits
        | Rule::ReleaseNamesOld
        | Rule::ReleaseRevokes
        // The key that should make room stays; that no other one comes is judged after that.
        | Rule::MakeRoom => "I1: key",
        Rule::Window | Rule::MarkDigest => "ForeignKey",
        Rule::CountCandidates => "AmbiguousKey",
        Rule::OneSuspect => "I5: no fixpoint",
        Rule::OwnAfterGrace => "I5: the release does not end",
        Rule::Fence
        | Rule::RetireAfterPublish
        | Rule::IntentBeforeDelete
        | Rule::TargetRevision
        | Rule::PublishBeforeRelease => "DeadKey",
        Rule::LabelIsOurs => "the owner is not put back",
        Rule::UndoWindow => "TooEarly",
        Rule::PartingRecorded | Rule::UndoSwitchesOn | Rule::UndoWaits => {
            "the Secret that an undo kept holds a dead key"
        }
    }
}

fn breaks_without(rule: Rule, mut setting: Setting) {
    setting.off = Some(rule);
    let sought = is_for(rule);
    let report = explore_for(sought, &setting, MOST);
    println!(
        "without {rule:?}: {:?} after {} states",
        report.broken.as_ref().map(|b| &b.0),
        report.states
    );
    assert!(
        report.broken.is_some(),
        "without the rule {rule:?} there is no {sought:?} in {} states",
        report.states
    );
}

#[test]
fn without_the_fence_a_stalled_replica_publishes_a_key_that_is_deleted() {
    breaks_without(
        Rule::Fence,
        setting(
            2,
            Budget {
                faults: 1,
                ..budget()
            },
        ),
    );
}

#[test]
fn without_the_deadline_a_running_mint_is_judged() {
    breaks_without(Rule::Deadline, setting(2, budget()));
}

/// Somebody else has made a key before ours, and makes another.
fn beside_a_foreign_key() -> Setting {
    let budget = Budget {
        faults: 1,
        foreigns: 1,
        ..budget()
    };
    Setting {
        foreign_from_start: true,
        ..setting(1, budget)
    }
}

#[test]
fn a_key_from_before_ours_stays_whatever_fails() {
    holds(&beside_a_foreign_key());
}

#[test]
fn without_the_window_a_foreign_key_is_deleted() {
    breaks_without(Rule::Window, beside_a_foreign_key());
}

#[test]
fn a_list_from_before_the_ledger_misses_keys() {
    breaks_without(Rule::ListAfterResource, setting(2, budget()));
}

#[test]
fn a_finalizer_that_does_not_wait_leaks_the_open_mint() {
    let acts = &[Act::DeleteResource];
    let budget = Budget {
        faults: 1,
        acts: 1,
        ..budget()
    };
    breaks_without(
        Rule::FinalizerWaits,
        Setting {
            acts,
            ..setting(1, budget)
        },
    );
}

#[test]
fn a_key_retired_before_its_successor_is_published_is_dead_in_the_secret() {
    breaks_without(
        Rule::RetireAfterPublish,
        setting(
            1,
            Budget {
                rotations: 1,
                ..budget()
            },
        ),
    );
}

#[test]
fn a_delete_without_recorded_intent_hits_a_key_that_is_published() {
    breaks_without(
        Rule::IntentBeforeDelete,
        Setting {
            exclusive: true,
            ..setting(2, budget())
        },
    );
}

#[test]
fn stagings_are_evidence_when_the_status_is_lost() {
    let acts = &[Act::LoseStatus];
    let budget = Budget {
        faults: 1,
        acts: 1,
        ..budget()
    };
    breaks_without(
        Rule::StagingsAsEvidence,
        Setting {
            acts,
            ..setting(1, budget)
        },
    );
}

#[test]
fn the_mark_names_replaced_keys_when_the_status_is_lost() {
    let acts = &[Act::LoseStatus];
    let budget = Budget {
        rotations: 1,
        acts: 1,
        ..budget()
    };
    breaks_without(
        Rule::MarkReplaces,
        Setting {
            acts,
            ..setting(1, budget)
        },
    );
}

#[test]
fn an_unconditional_publish_brings_an_old_key_back() {
    breaks_without(
        Rule::TargetRevision,
        setting(
            2,
            Budget {
                rotations: 1,
                ..budget()
            },
        ),
    );
}

#[test]
fn a_chain_without_limits_judges_by_an_old_list() {
    breaks_without(
        Rule::ChainLimits,
        setting(
            2,
            Budget {
                rotations: 1,
                ..budget()
            },
        ),
    );
}

#[test]
fn a_key_tested_before_the_ledger_names_it_looks_foreign() {
    let acts = &[Act::DeleteStaging];
    let budget = Budget {
        acts: 1,
        ..budget()
    };
    breaks_without(
        Rule::LedgerBeforeTest,
        Setting {
            test: true,
            acts,
            ..setting(1, budget)
        },
    );
}

/// Somebody else has made a key before ours, and one of these is done.
fn tampered_beside_a_foreign_key(acts: &'static [Act]) -> Setting {
    let budget = Budget {
        acts: 1,
        ..budget()
    };
    Setting {
        foreign_from_start: true,
        acts,
        ..setting(1, budget)
    }
}

#[test]
fn an_edited_mark_costs_no_foreign_key() {
    holds(&tampered_beside_a_foreign_key(&[Act::ForgeMark]));
}

#[test]
fn an_edited_mark_that_is_believed_costs_a_foreign_key() {
    let setting = tampered_beside_a_foreign_key(&[Act::ForgeMark]);
    breaks_without(Rule::MarkDigest, setting);
}

#[test]
fn a_secret_without_its_owner_is_still_ours() {
    let acts = &[Act::Disown, Act::DeleteResource];
    breaks_without(
        Rule::LabelIsOurs,
        Setting {
            acts,
            ..setting(
                1,
                Budget {
                    acts: 2,
                    ..budget()
                },
            )
        },
    );
}

#[test]
fn a_release_that_discards_a_committed_key_sees_it_published_dead() {
    let acts = &[Act::Release];
    let budget = Budget {
        acts: 1,
        rotations: 1,
        ..budget()
    };
    breaks_without(
        Rule::PublishBeforeRelease,
        Setting {
            acts,
            ..setting(2, budget)
        },
    );
}

#[test]
fn an_owner_put_back_at_once_undoes_the_release() {
    let acts = &[Act::Release];
    breaks_without(
        Rule::OwnAfterGrace,
        Setting {
            acts,
            ..setting(
                2,
                Budget {
                    acts: 2,
                    ..budget()
                },
            )
        },
    );
}

#[test]
fn beside_a_foreign_key_a_lost_secret_is_healed() {
    holds(&tampered_beside_a_foreign_key(&[Act::DeleteTarget]));
}

#[test]
fn without_making_room_a_full_quota_blocks_for_ever() {
    let setting = tampered_beside_a_foreign_key(&[Act::DeleteTarget]);
    breaks_without(Rule::MakeRoom, setting);
}

#[test]
fn without_counting_candidates_a_foreign_key_goes_with_a_lost_one() {
    let budget = Budget {
        faults: 1,
        foreigns: 1,
        ..budget()
    };
    breaks_without(Rule::CountCandidates, setting(1, budget));
}

#[test]
fn a_second_post_under_one_attempt_leaks_a_key() {
    let budget = Budget {
        faults: 1,
        ..budget()
    };
    breaks_without(Rule::OnePost, setting(1, budget));
}

#[test]
fn a_lost_key_that_was_used_looks_foreign() {
    let budget = Budget {
        faults: 1,
        ..budget()
    };
    breaks_without(Rule::UnusedUntilCommit, setting(1, budget));
}

#[test]
fn a_chain_that_judges_others_drops_a_key_that_is_committed() {
    breaks_without(
        Rule::ChainJudgesItsOwn,
        setting(
            2,
            Budget {
                rotations: 1,
                ..budget()
            },
        ),
    );
}

#[test]
fn a_release_that_does_not_wait_leaks_the_open_mint() {
    let budget = Budget {
        faults: 1,
        acts: 1,
        ..budget()
    };
    let acts = &[Act::Release];
    breaks_without(
        Rule::ReleaseWaits,
        Setting {
            acts,
            ..setting(1, budget)
        },
    );
}

#[test]
fn a_release_that_forgets_the_replaced_key_leaks_it() {
    breaks_without(Rule::ReleaseNamesOld, released_after_a_rotation());
}

#[test]
fn a_release_that_forgets_what_it_revokes_leaks_it() {
    breaks_without(Rule::ReleaseRevokes, released_after_a_rotation());
}

fn released_after_a_rotation() -> Setting {
    let budget = Budget {
        acts: 2,
        rotations: 2,
        ..budget()
    };
    let acts = &[
        Act::Release,
        Act::DeleteResource,
        Act::EditData,
        Act::DeleteTarget,
    ];
    Setting {
        acts,
        ..setting(1, budget)
    }
}

/// A resource with an undo window that is deleted, and whose deletion may be undone.
fn undoable(processes: usize, budget: Budget) -> Setting {
    let budget = Budget { acts: 2, ..budget };
    Setting {
        user_goes: true,
        undo: true,
        acts: &[Act::DeleteResource, Act::Release],
        ..setting(processes, budget)
    }
}

#[test]
fn an_undo_keeps_a_live_key_beside_a_rotation_and_a_fault() {
    let budget = Budget {
        faults: 1,
        rotations: 1,
        recreations: 1,
        ..budget()
    };
    holds(&undoable(1, budget));
}

#[test]
fn two_replicas_undo_together() {
    holds(&undoable(2, budget()));
}

#[test]
fn keys_that_are_switched_off_without_a_record_stay_off() {
    breaks_without(Rule::PartingRecorded, undoable(1, budget()));
}

#[test]
fn an_undo_that_switches_nothing_on_keeps_a_dead_key() {
    breaks_without(Rule::UndoSwitchesOn, undoable(1, budget()));
}

#[test]
fn an_undo_that_does_not_wait_is_overtaken_by_a_stalled_replica() {
    breaks_without(Rule::UndoWaits, undoable(2, budget()));
}

#[test]
fn without_the_window_the_user_goes_while_it_could_be_undone() {
    breaks_without(Rule::UndoWindow, undoable(1, budget()));
}

fn with_two_lost() -> Setting {
    let budget = Budget {
        faults: 1,
        ..budget()
    };
    Setting {
        two_lost: true,
        ..setting(1, budget)
    }
}

#[test]
fn two_lost_attempts_judge_one_key_one_after_the_other() {
    holds(&with_two_lost());
}

#[test]
fn two_attempts_with_one_suspect_switch_it_off_and_on_for_ever() {
    breaks_without(Rule::OneSuspect, with_two_lost());
}
