//! The `raic` program: one call into the library.

fn main() -> std::process::ExitCode {
    raic::cli::run(std::env::args_os())
}
