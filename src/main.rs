//! Parses the command line and exits.

/// Most of what an operator keeps are short texts, and most of what it touches is gone with the pass: both are dear with the system's.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cooper::cli::main()
}
