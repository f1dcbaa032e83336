use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::cargo::cargo;
use crate::postgres::{self, Binaries};
use crate::{flavours, localstripe, process, redis, split};

/// Tells the tests of the shop how a store is spread over processes.
const TOPOLOGY_VARIABLE: &str = "BODEGA_TEST_TOPOLOGY";

/// The topologies besides `one`, in which everything is run.
const OTHER_TOPOLOGIES: [&str; 2] = ["five", "replicated"];

/// Tells the tests where carts are kept.
const CART_STORE_VARIABLE: &str = "BODEGA_TEST_CART_STORE";

/// The topologies in which what has to do with carts is run once more, with carts in Redis.
const REDIS_TOPOLOGIES: [&str; 2] = ["one", "replicated"];

/// What has to do with carts among the tests of the shop, by how their names begin.
const CART_TESTS: [&str; 16] = [
    "accounts::",
    "bundles::",
    "carts::",
    "countries::",
    "gift_cards::",
    "languages::",
    "orders::",
    "prices::",
    "problems::",
    "promotions::",
    "races::",
    "replays::",
    "roles::",
    "shipping::",
    "stock::",
    "taxes::",
];

/// The tests of the shop that choose their processes themselves, by how their names begin.
const PROCESS_TESTS: [&str; 3] = ["conformance::", "edge::", "processes::"];

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

/// Runs all tests, those of the shop in every topology, and those that have to do with carts with both stores of carts.
pub(crate) fn test(arguments: &[String]) -> Result<(), String> {
    test_commands(arguments)?.iter_mut().try_for_each(process::check)
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
    let tests = test_commands(&["--locked".to_owned()])?;
    tests
        .into_iter()
        .try_for_each(|mut step| process::check_shown(&mut step))
}

/// Prints where the PostgreSQL binaries are.
pub(crate) fn postgres() -> Result<(), String> {
    println!("{}", postgres::ensure()?.directory.display());
    Ok(())
}

/// The runs of all tests: everything once, with the shop in one process; then the shop again in each other topology, but
/// for the tests that choose their processes themselves. Arguments that choose packages or targets mean just these, in
/// the topology of the environment.
fn test_commands(arguments: &[String]) -> Result<Vec<Command>, String> {
    let Binaries { directory, fetched } = postgres::ensure()?;
    redis::ensure()?;
    localstripe::ensure()?;
    let chosen = choose(arguments);
    let mut everything = cargo("test");
    if !chosen {
        everything.arg("--workspace").env(TOPOLOGY_VARIABLE, "one");
    }
    everything.args(arguments);
    let mut commands = vec![everything];
    if !chosen {
        commands.extend(OTHER_TOPOLOGIES.map(|topology| shop_command(topology, arguments)));
        commands.push(redis_module_command(arguments));
        commands.extend(REDIS_TOPOLOGIES.map(|topology| redis_shop_command(topology, arguments)));
    }
    if fetched {
        for command in &mut commands {
            // Tests have data directories of their own, so they might not find what lies beside the usual one.
            command.env(postgres::BINARIES_VARIABLE, &directory);
        }
    }
    Ok(commands)
}

/// The tests of the shop in a topology.
fn shop_command(topology: &str, arguments: &[String]) -> Command {
    let dashes = arguments.iter().position(|argument| argument == "--");
    let (for_cargo, for_tests) = arguments.split_at(dashes.unwrap_or(arguments.len()));
    let mut command = cargo("test");
    command
        .env(TOPOLOGY_VARIABLE, topology)
        .args(["--package", "bodega", "--test", "shop"])
        .args(for_cargo)
        .arg("--")
        .args(PROCESS_TESTS.iter().flat_map(|tests| ["--skip", tests]))
        .args(for_tests.iter().skip(1));
    command
}

/// The tests of the cart module with carts in Redis.
fn redis_module_command(arguments: &[String]) -> Command {
    let mut command = cargo("test");
    command.env(CART_STORE_VARIABLE, "redis");
    // Of the workspace, as the others are: alone, everything would be built anew with other features.
    command.args(["--workspace", "--test", "carts"]).args(arguments);
    command
}

/// The tests of the shop that have to do with carts, with carts in Redis. Names that were given choose among all tests, so
/// that then all are run that have these.
fn redis_shop_command(topology: &str, arguments: &[String]) -> Command {
    let mut command = shop_command(topology, arguments);
    command.env(CART_STORE_VARIABLE, "redis");
    if arguments.iter().all(|argument| argument.starts_with('-')) {
        command.args(CART_TESTS);
    }
    command
}

/// Whether arguments for cargo choose packages, which `--workspace` would overrule, or targets.
fn choose(arguments: &[String]) -> bool {
    const CHOICES: [&str; 10] = [
        "-p",
        "--package",
        "--test",
        "--tests",
        "--lib",
        "--bin",
        "--bins",
        "--bench",
        "--benches",
        "--doc",
    ];
    let for_cargo = arguments.iter().take_while(|argument| *argument != "--");
    let mut names = for_cargo.map(|argument| argument.split('=').next().unwrap_or_default());
    names.any(|name| CHOICES.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_chosen_package_or_target_is_tested_alone() {
        assert!(choose(&words("-p database")));
        assert!(choose(&words("--release --package=database -- --nocapture")));
        assert!(choose(&words("--test shop")));
        assert!(!choose(&words("--release some_test -- -p")));
    }

    #[test]
    fn the_shop_is_tested_in_another_topology_with_the_same_arguments() {
        let command = shop_command("five", &words("--locked orders -- --nocapture"));
        let shown = process::shown(&command);
        let expected =
            "--test shop --locked orders -- --skip conformance:: --skip edge:: --skip processes:: --nocapture";
        assert!(shown.ends_with(expected), "{shown}");
        assert!(process::shown(&shop_command("five", &[])).ends_with("--skip processes::"));
    }

    #[test]
    fn what_has_to_do_with_carts_is_run_with_carts_in_redis_unless_other_tests_are_named() {
        let all = process::shown(&redis_shop_command("one", &words("--locked")));
        assert!(
            all.contains("--skip processes:: accounts:: bundles:: carts:: countries::"),
            "{all}"
        );
        let some = process::shown(&redis_shop_command("one", &words("--locked gift_cards")));
        assert!(
            some.contains("gift_cards -- --skip") && !some.contains("carts:: "),
            "{some}"
        );
    }
}
