//! Generated identifiers, in the formats that were seen on the wire.

use base64::Engine as _;
use jiff::Timestamp;
use rand::Rng as _;

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LABEL: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// UUID v4 of a service; every recorded one starts with `12`.
pub fn service_uuid() -> String {
    uuid_starting_with(0x12)
}

/// UUID v4 of an SDN network; recorded ones start with `03`.
pub fn network_uuid() -> String {
    uuid_starting_with(0x03)
}

/// UUID v4 of a router; recorded ones start with `04`.
pub fn router_uuid() -> String {
    uuid_starting_with(0x04)
}

fn uuid_starting_with(first: u8) -> String {
    let mut bytes: [u8; 16] = rand::rng().random();
    let [a, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *a = first;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    let hex = hex(&bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

/// Whether a text is a UUID with hyphens, in either case.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.chars().enumerate().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// First label of a service's endpoint names: five of `[a-z0-9]`, unrelated to the UUID.
pub fn endpoint_label() -> String {
    let mut rng = rand::rng();
    (0..5)
        .map(|_| pick(LABEL, rng.random_range(0..LABEL.len())))
        .collect()
}

/// `AKIA` and 16 upper-case hexadecimal digits.
pub fn access_key_id() -> String {
    let bytes: [u8; 8] = rand::rng().random();
    format!("AKIA{}", hex(&bytes).to_uppercase())
}

/// 40 characters of the base64 alphabet.
pub fn secret_access_key() -> String {
    let bytes: [u8; 30] = rand::rng().random();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// ULID: 48 bits of milliseconds and 80 random bits in Crockford base 32.
pub fn correlation_id(at: Timestamp) -> String {
    let millis = u128::try_from(at.as_millisecond()).unwrap_or(0) & 0xffff_ffff_ffff;
    let random: u128 = rand::rng().random::<u128>() >> 48;
    let number = (millis << 80) | random;
    (0..26)
        .rev()
        .map(|digit| {
            let five = usize::try_from((number >> (digit * 5)) & 31).unwrap_or(0);
            pick(CROCKFORD, five)
        })
        .collect()
}

fn pick(alphabet: &[u8], at: usize) -> char {
    alphabet.get(at).copied().map_or('0', char::from)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_values_have_the_recorded_shape() {
        let uuid = service_uuid();
        assert!(is_uuid(&uuid) && uuid.starts_with("12"), "{uuid}");
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert_eq!(secret_access_key().len(), 40);
        let key = access_key_id();
        assert!(key.len() == 20 && key.starts_with("AKIA"), "{key}");
        assert_eq!(endpoint_label().len(), 5);
    }

    #[test]
    fn correlation_ids_of_the_same_moment_share_their_time_and_differ() {
        let at: Timestamp = "2026-02-03T09:10:11Z".parse().unwrap();
        let (one, two) = (correlation_id(at), correlation_id(at));
        assert_eq!(one.len(), 26);
        assert_eq!(one[..10], two[..10]);
        assert_ne!(one, two);
        assert!(one.starts_with("01K"), "{one}");
    }
}
