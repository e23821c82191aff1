//! The bytes of an object.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

/// Largest piece a body is cut into, in bytes. A piece is allocated once and never grown past this, so
/// a put needs the object's size in memory and at most one piece more.
const PIECE: usize = 8 << 20;

/// Immutable bytes in pieces; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pieces: Vec<Bytes>,
    len: u64,
    /// Computed when it is asked for; clones share it.
    digest: Arc<OnceLock<String>>,
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self {
            digest: Arc::default(),
            len: bytes.len() as u64,
            pieces: if bytes.is_empty() {
                Vec::new()
            } else {
                vec![bytes]
            },
        }
    }
}

impl Body {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// SHA-256 of the bytes in hexadecimal: the name of a saved body.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            let mut hasher = Sha256::new();
            for piece in &self.pieces {
                hasher.update(piece);
            }
            crate::data::hex(&hasher.finalize())
        })
    }

    /// All pieces in order.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// A range, cut off at the end; shares the bytes.
    #[must_use]
    pub fn slice(&self, range: &Range<u64>) -> Self {
        let mut out = Self::default();
        let mut start = 0;
        for piece in &self.pieces {
            let end = start + piece.len() as u64;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                // Both lie within the piece, whose length is a usize.
                let within = |at: u64| usize::try_from(at - start).unwrap_or(piece.len());
                out.pieces.push(piece.slice(within(from)..within(to)));
                out.len += to - from;
            }
            start = end;
        }
        out
    }

    /// Appends another body; shares its bytes.
    pub fn append(&mut self, other: &Self) {
        self.digest = Arc::default();
        self.len += other.len;
        self.pieces.extend(other.pieces.iter().cloned());
    }
}

/// Collects a body from a stream without a second copy of it.
pub struct BodyBuilder {
    done: Body,
    piece: BytesMut,
    /// Bytes that are still expected; unknown is 0.
    expected: u64,
}

impl BodyBuilder {
    /// Starts a body of this length, if it is known. A wrong length costs memory or copies, nothing else.
    pub fn new(length: Option<u64>) -> Self {
        Self {
            done: Body::default(),
            piece: BytesMut::new(),
            expected: length.unwrap_or(0),
        }
    }

    /// Appends bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.piece.len() == PIECE {
                self.cut();
            }
            if self.piece.capacity() == 0 {
                let want = usize::try_from(self.expected).unwrap_or(PIECE);
                self.piece
                    .reserve(want.clamp(bytes.len().min(PIECE), PIECE));
            }
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            self.expected = self.expected.saturating_sub(now.len() as u64);
            bytes = later;
        }
    }

    fn cut(&mut self) {
        let piece = std::mem::take(&mut self.piece).freeze();
        self.done.append(&Body::from(piece));
    }

    /// Length so far, in bytes.
    pub fn len(&self) -> u64 {
        self.done.len() + self.piece.len() as u64
    }

    /// Whether nothing has been pushed yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The body.
    pub fn finish(mut self) -> Body {
        self.cut();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &Body) -> String {
        String::from_utf8(body.pieces().concat()).unwrap()
    }

    #[test]
    fn a_slice_crosses_pieces() {
        let mut body = Body::from(Bytes::from_static(b"abc"));
        body.append(&Body::from(Bytes::from_static(b"def")));
        for (range, want) in [
            (0..6, "abcdef"),
            (2..4, "cd"),
            (3..99, "def"),
            (6..9, ""),
            (1..2, "b"),
        ] {
            let cut = body.slice(&range);
            assert_eq!(text(&cut), want);
            assert_eq!(cut.len(), want.len() as u64);
        }
    }

    #[test]
    fn a_built_body_is_what_was_pushed() {
        for length in [None, Some(3), Some(PIECE as u64 + 20)] {
            let mut builder = BodyBuilder::new(length);
            builder.push(&vec![1; PIECE - 1]);
            builder.push(&[2, 3]);
            builder.push(&[]);
            let body = builder.finish();
            assert_eq!(body.len(), PIECE as u64 + 1);
            assert_eq!(body.pieces().concat()[PIECE - 1..], [2, 3]);
        }
    }
}
