//! Parses the command line and exits.

fn main() -> std::process::ExitCode {
    cooper::cli::main()
}
