//! Parses the command line and exits.

/// Most of what an operator keeps are short texts, and most of what it touches is gone with the pass: both are dear with the system's. How
/// this one is set stands in `.cargo/config.toml`.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    cooper::cli::main()
}
