//! The program; everything is in the library so that tests and tools can reach it.

fn main() -> std::process::ExitCode {
    irsync::main()
}
