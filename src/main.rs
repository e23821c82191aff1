//! Parses the command line and exits.

fn main() {}
