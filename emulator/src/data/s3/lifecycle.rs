//! Lifecycle configurations between the wire and the store, which carries them out.

use s3s::dto::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus,
    LifecycleExpiration, LifecycleRule, LifecycleRuleAndOperator, LifecycleRuleFilter,
    NoncurrentVersionExpiration, Tag,
};
use s3s::{S3Error, S3Result, s3_error};

use super::convert::{moment, time};
use super::settings::{pairs, tag_set};
use crate::data::objects::expiry::{Expiration, Filter, Form, Noncurrent, Rule};

/// Most rules of one bucket (S3 user guide).
const MOST_RULES: usize = 1000;

fn malformed() -> S3Error {
    s3_error!(
        MalformedXML,
        "The XML you provided was not well-formed or did not validate against our published schema"
    )
}

/// Reads a configuration. Transitions are refused: there are no other storage classes.
pub(super) fn rules(configuration: Option<BucketLifecycleConfiguration>) -> S3Result<Vec<Rule>> {
    let rules = configuration.map(|c| c.rules).unwrap_or_default();
    if rules.is_empty() || rules.len() > MOST_RULES {
        return Err(malformed());
    }
    let rules: Vec<Rule> = rules.into_iter().map(read).collect::<S3Result<_>>()?;
    for (at, rule) in rules.iter().enumerate() {
        if rules.iter().take(at).any(|before| before.id == rule.id) {
            return Err(s3_error!(
                InvalidArgument,
                "Rule ID must be unique. Found same ID for more than one rule"
            ));
        }
    }
    Ok(rules)
}

fn read(rule: LifecycleRule) -> S3Result<Rule> {
    let enabled = match rule.status.as_str() {
        ExpirationStatus::ENABLED => true,
        ExpirationStatus::DISABLED => false,
        _ => return Err(malformed()),
    };
    if rule.transitions.is_some_and(|list| !list.is_empty())
        || rule
            .noncurrent_version_transitions
            .is_some_and(|list| !list.is_empty())
    {
        return Err(s3_error!(
            NotImplemented,
            "Transitions imply functionality that is not implemented"
        ));
    }
    let id = match rule.id {
        Some(id) if !id.is_empty() => id,
        _ => uuid::Uuid::new_v4().to_string(),
    };
    if id.chars().count() > 255 {
        return Err(s3_error!(
            InvalidArgument,
            "ID length should not exceed allowed limit of 255"
        ));
    }
    let out = Rule {
        id,
        enabled,
        filter: filter(rule.prefix, rule.filter)?,
        expiration: rule.expiration.map(|e| expiration(&e)).transpose()?,
        noncurrent: rule
            .noncurrent_version_expiration
            .map(|n| noncurrent(&n))
            .transpose()?,
        abort_days: rule
            .abort_incomplete_multipart_upload
            .map(|abort| positive(abort.days_after_initiation, "DaysAfterInitiation"))
            .transpose()?,
    };
    check(&out)?;
    Ok(out)
}

fn check(rule: &Rule) -> S3Result<()> {
    if rule.expiration.is_none() && rule.noncurrent.is_none() && rule.abort_days.is_none() {
        return Err(s3_error!(
            InvalidRequest,
            "At least one action needs to be specified in a rule"
        ));
    }
    let markers = rule.expiration == Some(Expiration::Markers);
    if !rule.filter.tags.is_empty() && (markers || rule.abort_days.is_some()) {
        return Err(s3_error!(
            InvalidRequest,
            "ExpiredObjectDeleteMarker and AbortIncompleteMultipartUpload cannot be specified with Tags"
        ));
    }
    Ok(())
}

fn filter(prefix: Option<String>, filter: Option<LifecycleRuleFilter>) -> S3Result<Filter> {
    let Some(filter) = filter else {
        return Ok(Filter {
            prefix: Some(prefix.ok_or_else(malformed)?),
            form: Form::Prefix,
            ..Filter::default()
        });
    };
    if prefix.is_some() {
        return Err(malformed());
    }
    let single = [
        filter.prefix.is_some(),
        filter.tag.is_some(),
        filter.object_size_greater_than.is_some(),
        filter.object_size_less_than.is_some(),
        filter.and.is_some(),
    ];
    if single.into_iter().filter(|given| *given).count() > 1 {
        return Err(malformed());
    }
    let out = match filter.and {
        Some(and) => Filter {
            prefix: and.prefix,
            tags: pairs(and.tags.unwrap_or_default()),
            above: and.object_size_greater_than,
            below: and.object_size_less_than,
            form: Form::And,
        },
        None => Filter {
            prefix: filter.prefix,
            tags: pairs(filter.tag.into_iter().collect()),
            above: filter.object_size_greater_than,
            below: filter.object_size_less_than,
            form: Form::One,
        },
    };
    super::convert::check_tags(&out.tags, 10)?;
    Ok(out)
}

fn positive(days: Option<i32>, what: &str) -> S3Result<i32> {
    days.filter(|days| *days > 0)
        .ok_or_else(|| s3_error!(InvalidArgument, "'{what}' must be a positive integer"))
}

fn expiration(given: &LifecycleExpiration) -> S3Result<Expiration> {
    match (
        given.days,
        &given.date,
        given.expired_object_delete_marker.unwrap_or(false),
    ) {
        (days @ Some(_), None, false) => {
            positive(days, "Days for Expiration action").map(Expiration::Days)
        }
        (None, Some(date), false) => moment(date)
            .filter(|at| at.as_second().rem_euclid(86_400) == 0 && at.subsec_nanosecond() == 0)
            .map(Expiration::Date)
            .ok_or_else(|| s3_error!(InvalidArgument, "'Date' must be at midnight GMT")),
        (None, None, true) => Ok(Expiration::Markers),
        _ => Err(malformed()),
    }
}

fn noncurrent(given: &NoncurrentVersionExpiration) -> S3Result<Noncurrent> {
    let keep = given.newer_noncurrent_versions.unwrap_or(0);
    if !(0..=100).contains(&keep) {
        return Err(s3_error!(
            InvalidArgument,
            "'NewerNoncurrentVersions' must be from 1 to 100"
        ));
    }
    Ok(Noncurrent {
        days: positive(given.noncurrent_days, "NoncurrentDays")?,
        keep,
    })
}

/// A rule as it was written.
pub(super) fn shown(rule: Rule) -> LifecycleRule {
    let (prefix, filter) = shown_filter(rule.filter);
    LifecycleRule {
        abort_incomplete_multipart_upload: rule.abort_days.map(|days| {
            AbortIncompleteMultipartUpload {
                days_after_initiation: Some(days),
            }
        }),
        expiration: rule.expiration.map(|ends| match ends {
            Expiration::Days(days) => LifecycleExpiration {
                days: Some(days),
                ..LifecycleExpiration::default()
            },
            Expiration::Date(at) => LifecycleExpiration {
                date: Some(time(at)),
                ..LifecycleExpiration::default()
            },
            Expiration::Markers => LifecycleExpiration {
                expired_object_delete_marker: Some(true),
                ..LifecycleExpiration::default()
            },
        }),
        filter,
        id: Some(rule.id),
        noncurrent_version_expiration: rule.noncurrent.map(|ends| NoncurrentVersionExpiration {
            newer_noncurrent_versions: Some(ends.keep).filter(|keep| *keep > 0),
            noncurrent_days: Some(ends.days),
        }),
        noncurrent_version_transitions: None,
        prefix,
        status: ExpirationStatus::from_static(if rule.enabled {
            ExpirationStatus::ENABLED
        } else {
            ExpirationStatus::DISABLED
        }),
        transitions: None,
    }
}

fn shown_filter(filter: Filter) -> (Option<String>, Option<LifecycleRuleFilter>) {
    let mut tags: Vec<Tag> = tag_set(filter.tags);
    match filter.form {
        Form::Prefix => (filter.prefix, None),
        Form::One => (
            None,
            Some(LifecycleRuleFilter {
                prefix: filter.prefix,
                tag: tags.pop(),
                object_size_greater_than: filter.above,
                object_size_less_than: filter.below,
                ..LifecycleRuleFilter::default()
            }),
        ),
        Form::And => (
            None,
            Some(LifecycleRuleFilter {
                and: Some(LifecycleRuleAndOperator {
                    prefix: filter.prefix,
                    tags: (!tags.is_empty()).then_some(tags),
                    object_size_greater_than: filter.above,
                    object_size_less_than: filter.below,
                }),
                ..LifecycleRuleFilter::default()
            }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(change: impl FnOnce(&mut LifecycleRule)) -> Result<Vec<Rule>, String> {
        let mut rule = shown(Rule {
            id: "r".to_owned(),
            enabled: true,
            expiration: Some(Expiration::Days(1)),
            ..Rule::default()
        });
        change(&mut rule);
        rules(Some(BucketLifecycleConfiguration { rules: vec![rule] }))
            .map_err(|fault| fault.code().as_str().to_owned())
    }

    #[test]
    fn rules_are_refused_with_the_code_of_s3() {
        let midnight: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let noon: jiff::Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let dated = |at| {
            move |r: &mut LifecycleRule| {
                r.expiration = Some(LifecycleExpiration {
                    date: Some(time(at)),
                    ..LifecycleExpiration::default()
                });
            }
        };
        assert!(rule(|_| ()).is_ok());
        assert!(rule(dated(midnight)).is_ok());
        for (code, refused) in [
            ("InvalidArgument", rule(dated(noon))),
            ("InvalidRequest", rule(|r| r.expiration = None)),
            ("MalformedXML", rule(|r| r.filter = None)),
            ("MalformedXML", rule(|r| r.prefix = Some(String::new()))),
            (
                "MalformedXML",
                rule(|r| r.status = ExpirationStatus::from("On".to_owned())),
            ),
            (
                "InvalidArgument",
                rule(|r| {
                    r.abort_incomplete_multipart_upload = Some(AbortIncompleteMultipartUpload {
                        days_after_initiation: Some(0),
                    });
                }),
            ),
            (
                "NotImplemented",
                rule(|r| r.transitions = Some(vec![s3s::dto::Transition::default()])),
            ),
        ] {
            assert_eq!(refused.unwrap_err(), code);
        }
        assert_eq!(rules(None).unwrap_err().code().as_str(), "MalformedXML");
    }

    #[test]
    fn a_rule_comes_back_as_it_was_written() {
        for filter in [
            Filter {
                prefix: Some("a/".to_owned()),
                form: Form::Prefix,
                ..Filter::default()
            },
            Filter::default(),
            Filter {
                tags: vec![("k".to_owned(), "v".to_owned())],
                ..Filter::default()
            },
            Filter {
                prefix: Some("a/".to_owned()),
                tags: vec![
                    ("k".to_owned(), "v".to_owned()),
                    ("l".to_owned(), String::new()),
                ],
                above: Some(1),
                below: Some(9),
                form: Form::And,
            },
        ] {
            let one = Rule {
                id: "r".to_owned(),
                enabled: false,
                filter,
                expiration: Some(Expiration::Days(3)),
                noncurrent: Some(Noncurrent { days: 2, keep: 1 }),
                abort_days: None,
            };
            let configuration = BucketLifecycleConfiguration {
                rules: vec![shown(one.clone())],
            };
            assert_eq!(rules(Some(configuration)).unwrap(), [one]);
        }
    }
}
