//! The `ascan` command.

fn main() -> std::process::ExitCode {
    ascan::main()
}
