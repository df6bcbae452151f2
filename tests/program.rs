//! The `ascan` program, for the tests.

fn main() -> std::process::ExitCode {
    ascan::main()
}
