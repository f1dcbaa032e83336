//! The binary `bodega`.

use std::process::ExitCode;

fn main() -> ExitCode {
    bodega::cli::run()
}
