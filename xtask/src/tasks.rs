use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::cargo::cargo;
use crate::postgres::{self, Binaries};
use crate::{flavours, process, split};

/// Serves the store in demo mode, in one process or in five.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments.strip_prefix(&["--split".to_owned()]) {
        Some(rest) => split::run(without_separator(rest)),
        None => run_whole(without_separator(arguments)),
    }
}

fn without_separator(arguments: &[String]) -> &[String] {
    arguments.strip_prefix(&["--".to_owned()]).unwrap_or(arguments)
}

/// Comes back only when the store could not be started.
fn run_whole(arguments: &[String]) -> Result<(), String> {
    postgres::ensure()?;
    let mut command = cargo("run");
    command
        .args([
            "--release",
            "--package",
            "bodega",
            "--bin",
            "bodega",
            "--",
            "serve",
            "--demo",
        ])
        .args(arguments);
    // Cargo and the store take the place of this process, so signals and the exit code are the store's own.
    Err(format!("could not run cargo: {}", command.exec()))
}

/// Runs all tests.
pub(crate) fn test(arguments: &[String]) -> Result<(), String> {
    process::check(&mut test_command(arguments)?)
}

/// Checks what must hold for every change. The quick checks come first.
pub(crate) fn ci() -> Result<(), String> {
    let mut format = cargo("fmt");
    process::check_shown(format.args(["--all", "--check"]))?;
    let mut lint = cargo("clippy");
    process::check_shown(lint.args(["--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    let mut document = cargo("doc");
    document.env("RUSTDOCFLAGS", "--deny warnings");
    process::check_shown(document.args(["--locked", "--workspace", "--no-deps"]))?;
    flavours::check()?;
    process::check_shown(&mut test_command(&["--locked".to_owned()])?)
}

/// Prints where the PostgreSQL binaries are.
pub(crate) fn postgres() -> Result<(), String> {
    println!("{}", postgres::ensure()?.directory.display());
    Ok(())
}

fn test_command(arguments: &[String]) -> Result<Command, String> {
    let Binaries { directory, fetched } = postgres::ensure()?;
    let mut command = cargo("test");
    if !name_a_package(arguments) {
        command.arg("--workspace");
    }
    command.args(arguments);
    if fetched {
        // Tests have data directories of their own, so they might not find what lies beside the usual one.
        command.env(postgres::BINARIES_VARIABLE, directory);
    }
    Ok(command)
}

/// Whether arguments for cargo choose packages, which `--workspace` would overrule.
fn name_a_package(arguments: &[String]) -> bool {
    let for_cargo = arguments.iter().take_while(|argument| *argument != "--");
    for_cargo
        .into_iter()
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_package_is_tested_alone() {
        let chosen = |line: &str| name_a_package(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(chosen("-p database"));
        assert!(chosen("--release --package=database -- --nocapture"));
        assert!(!chosen("--release some_test -- -p"));
    }
}
