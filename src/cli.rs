//! The command line. Results go to stdout and logs to stderr; the exit code is 0 when all is well, 1 when the command
//! failed, 2 when it was called wrongly.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::commands;
use crate::modules::{self, ExportFormat, ImportFormat, StartError};
use crate::settings::{self, Loaded, Sources};
use crate::telemetry;

/// An online store in one process: catalogue, accounts, carts, orders.
#[derive(Debug, Parser)]
#[command(
    name = "bodega",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct CommandLine {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Common {
    /// A file of settings, over the compiled-in defaults
    #[arg(long, global = true, value_name = "FILE", env = "BODEGA_CONFIG")]
    config: Option<PathBuf>,
    /// Where the embedded database, keys and mail are
    #[arg(long, global = true, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// Answer in JSON, for machines
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the store
    Serve {
        /// For trying things out: sandbox payments, and a catalogue where there is none
        #[arg(long)]
        demo: bool,
    },
    /// Bring the database up to date
    Migrate,
    /// Put the products of a file (NDJSON or Shopify CSV, gzip too) into the catalogue
    ///
    /// An import that was cut short goes on when the same file is given again.
    Import {
        /// The file; `-` reads standard input
        file: PathBuf,
        /// The shape of the file
        #[arg(long, value_enum, default_value_t)]
        format: ImportFormat,
        /// Only tell what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the catalogue to a file that can be imported again
    Export {
        /// The file; without one, standard output
        file: Option<PathBuf>,
        /// The shape of the file
        #[arg(long, value_enum, default_value_t)]
        format: ExportFormat,
    },
    /// Manage accounts
    #[command(subcommand)]
    User(User),
    /// Re-derive the books of all modules and print what is wrong
    Verify,
    /// Ask the store that runs here with these settings whether it can serve; for health checks
    Health {
        /// Only whether it lives, whatever its database does
        #[arg(long)]
        live: bool,
    },
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI document
    Openapi,
}

#[derive(Debug, Subcommand)]
enum User {
    /// Make an account that may do everything, or make an existing one so
    ///
    /// The password is asked for on a terminal, else read from standard input.
    CreateAdmin {
        /// The account's address
        email: String,
        /// Make up a password and print it
        #[arg(long)]
        generate: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Whether the settings can be used
    Check,
    /// The settings in force, without their secrets
    Print,
}

/// Reads the command line and carries it out.
pub fn run() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => {
            // The text of --help and --version goes to stdout, a complaint to stderr. Where neither can be written to,
            // nobody reads it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match carry_out(command_line) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bodega: {error}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(CommandLine { common, command }: CommandLine) -> Result<ExitCode, StartError> {
    let loaded = load(&common, &command)?;
    // Only a server tells what it does; a command tells what is wrong.
    let filter = match command {
        Command::Serve { .. } => loaded.settings.log.filter.as_str(),
        Command::Openapi | Command::Config(_) => "off",
        _ => "warn",
    };
    let _log = telemetry::log(filter, &loaded.settings.log.format);
    let runtime = tokio::runtime::Runtime::new();
    let runtime = runtime.map_err(|error| StartError::Refused(format!("cannot start: {error}")))?;
    let json = common.json;
    runtime.block_on(async {
        match command {
            Command::Serve { demo } => commands::serve::run(loaded.settings, demo).await,
            Command::Migrate => commands::migrate::run(loaded.settings, json).await,
            Command::Import { file, format, dry_run } => {
                let import = commands::import::Import {
                    file,
                    format,
                    dry_run,
                    json,
                };
                commands::import::run(loaded.settings, import).await
            }
            Command::Export { file, format } => commands::export::run(loaded.settings, file, format).await,
            Command::User(User::CreateAdmin { email, generate }) => {
                commands::user::create_admin(loaded.settings, &email, generate, json).await
            }
            Command::Verify => commands::verify::run(loaded.settings, json).await,
            Command::Health { live } => commands::health::run(&loaded.settings, live, json),
            Command::Config(ConfigCommand::Check) => commands::config::check(&loaded, json),
            Command::Config(ConfigCommand::Print) => commands::config::print(&loaded, json),
            Command::Openapi => commands::openapi::run(loaded.settings),
        }
    })
}

fn load(common: &Common, command: &Command) -> Result<Loaded, StartError> {
    let mut sources = Sources::of_process(common.config.clone());
    if let Some(directory) = &common.data_dir {
        sources.set("data.dir", directory.display());
    }
    if let Command::Serve { demo: true } = command {
        sources.set("payments.sandbox.enabled", true);
    }
    let loaded = settings::load(&sources, modules::COMPILED)?;
    modules::check(&loaded.settings)?;
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }
}
