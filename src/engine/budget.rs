//! Lanes (being built).
/// Which share of the request budget a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Writes, first of all.
    Write,
    /// Reads that a write waits for.
    Fresh,
    /// Reads of drift rounds.
    Drift,
}
