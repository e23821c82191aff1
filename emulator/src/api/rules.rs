//! Rules of names and texts in request bodies, as the API description has them.

use crate::validate::{Pattern, Text};

fn all(text: &str, ok: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(ok)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_plain_name(text: &str) -> bool {
    all(text, |c| is_word(c) || c == '-')
}

fn is_iam_name(text: &str) -> bool {
    all(text, |c| is_word(c) || "+=,.@-".contains(c))
}

/// Names of services, regions and networks, and of most things in paths.
pub const NAME: Text = Text::matching(
    1..=64,
    Pattern {
        text: "^[a-zA-Z0-9_-]+$",
        holds: is_plain_name,
    },
);

/// Names of services where only their length counts.
pub const ANY_SERVICE_NAME: Text = Text::of(1..=64);

const IAM: Pattern = Pattern {
    text: "^[\\w+=,.@-]+$",
    holds: is_iam_name,
};

/// Names of users and roles.
pub const USER_NAME: Text = Text::matching(1..=64, IAM);

/// Names of policies and groups.
pub const POLICY_NAME: Text = Text::matching(1..=128, IAM);

/// Names of policies to attach; a space is allowed here.
pub const ATTACHED_NAME: Text = Text::matching(
    1..=128,
    Pattern {
        text: "^[a-zA-Z0-9+=,.@_\\- ]+$",
        holds: |text| all(text, |c| is_word(c) || "+=,.@- ".contains(c)),
    },
);

/// Names of inline policies and boundaries.
pub const ANY_NAME: Text = Text::of(1..=128);

/// Policy documents as sent.
pub const DOCUMENT: Text = Text::of(1..=6144);

/// Trust documents as sent.
pub const TRUST: Text = Text::of(1..=131_072);

/// Descriptions of policies.
pub const DESCRIPTION: Text = Text::of(1..=1000);

/// Descriptions of roles.
pub const ROLE_DESCRIPTION: Text = Text::of(0..=1000);

/// Names of buckets.
pub const BUCKET: Text = Text::matching(
    1..=254,
    Pattern {
        text: "^[a-zA-Z0-9.\\-_]{1,254}$",
        holds: |text| all(text, |c| is_word(c) || c == '.' || c == '-'),
    },
);

/// Keys of labels: printable, and not beginning with an underscore.
pub const LABEL_KEY: Text = Text::matching(
    2..=32,
    Pattern {
        text: "^[\\x20-\\x5E\\x60-\\x7E][\\x20-\\x7E]+$",
        holds: |text| {
            let printable = text.chars().all(|c| (' '..='~').contains(&c));
            printable && !text.starts_with('_')
        },
    },
);

/// Characters of no written sign: controls, format characters, private use, noncharacters. The
/// pattern of label values has no place for them.
fn is_other(c: char) -> bool {
    let formats = [
        0x00ad..=0x00ad,
        0x0600..=0x0605,
        0x061c..=0x061c,
        0x06dd..=0x06dd,
        0x070f..=0x070f,
        0x180e..=0x180e,
        0x200b..=0x200f,
        0x202a..=0x202e,
        0x2060..=0x206f,
        0xe000..=0xf8ff,
        0xfdd0..=0xfdef,
        0xfeff..=0xfeff,
        0xfff0..=0xfffb,
        0xe0000..=0xe0fff,
        0xf0000..=0x0010_ffff,
    ];
    let code = u32::from(c);
    c.is_control() || code & 0xfffe == 0xfffe || formats.iter().any(|range| range.contains(&code))
}

/// Values of labels: letters, numbers, punctuation, symbols, marks and separators of any script.
pub const LABEL_VALUE: Text = Text::matching(
    0..=255,
    Pattern {
        text: "^[\\p{L}\\p{N}\\p{P}\\p{S}\\p{M}\\p{Z}]*$",
        holds: |text| !text.chars().any(is_other),
    },
);

/// Host names.
pub const HOSTNAME: Text = Text::matching(
    1..=254,
    Pattern {
        text: "hostname",
        holds: is_hostname,
    },
);

fn is_hostname(text: &str) -> bool {
    text.split('.').all(|label| {
        let inside = all(label, |c| c.is_ascii_alphanumeric() || c == '-');
        inside && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    })
}

/// Key of a tag.
pub const TAG_KEY: Text = Text::of(1..=128);

/// Value of a tag.
pub const TAG_VALUE: Text = Text::of(0..=256);

/// The CORS origin of a service's properties.
pub const CORS_ORIGIN: Text = Text::of(0..=255);

/// Any string whose form is checked elsewhere.
pub const ANY: Text = Text::of(0..=usize::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_accept_and_refuse_as_described() {
        let rows: [(&Text, &str, bool); 20] = [
            (&NAME, "media-store_1", true),
            (&NAME, "media store", false),
            (&NAME, "", false),
            (&USER_NAME, "a+b=c,d.e@f-g_h", true),
            (&USER_NAME, "a/b", false),
            (&USER_NAME, "grün", false),
            (&ATTACHED_NAME, "with space", true),
            (&POLICY_NAME, "with space", false),
            (&BUCKET, "My.Bucket_1", true),
            (&BUCKET, "a/b", false),
            (&LABEL_KEY, "ab", true),
            (&LABEL_KEY, "_ab", false),
            (&LABEL_KEY, "a", false),
            (&LABEL_VALUE, "grün ✓", true),
            (&LABEL_VALUE, "a\nb", false),
            (&LABEL_VALUE, "a\u{200b}b", false),
            (&LABEL_VALUE, "日本 😀", true),
            (&HOSTNAME, "files.example.org", true),
            (&HOSTNAME, "files..org", false),
            (&HOSTNAME, "-a.org", false),
        ];
        for (rule, text, good) in rows {
            assert_eq!(rule.complaint(text).is_none(), good, "{text:?}");
        }
    }
}
