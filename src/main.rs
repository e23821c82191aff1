//! Parses the command line and exits.

fn main() -> anyhow::Result<()> {
    cooper::cli::main()
}
