use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs a command to its end, with its output shown on stderr when it has none of its own.
pub(crate) fn check(command: &mut Command) -> Result<(), String> {
    let shown = shown(command);
    let status = command
        .status()
        .map_err(|error| format!("could not run `{shown}`: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{shown}` failed: {status}"))
    }
}

/// The same, having said on stderr what is run.
pub(crate) fn check_shown(command: &mut Command) -> Result<(), String> {
    eprintln!("xtask: {}", shown(command));
    check(command)
}

/// Runs a command to its end and answers what it prints; what it says on stderr is shown.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = shown(command);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("could not run `{shown}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{shown}` failed: {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// For `map_err`: says what was tried on which path.
pub(crate) fn failed(action: &str, path: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| format!("could not {action} {}: {error}", path.display())
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Where a program is, if it is on the `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|user| user.trim() == "0")
}
