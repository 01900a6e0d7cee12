//! The command line: its grammar, and which function runs what. Decides nothing about mail or keys:
//! commands that need the server ask it over the administration socket.

mod account;
mod address;
mod audit;
mod demo;
mod dns;
mod kept;
mod mail;
mod operate;
mod pages;
mod policy;
mod terminal;
mod trace;
mod unlock;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::admin::client::{Client, ClientError};

pub use terminal::Failed;

/// A mail vault: mail sealed at rest, masked for mail clients, unlocked with password and TOTP.
#[derive(Parser)]
#[command(name = "veilpost", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Args, Clone)]
struct Common {
    /// The server's configuration
    #[arg(
        long,
        global = true,
        env = "VEILPOST_CONFIG",
        value_name = "FILE",
        default_value = crate::config::SYSTEM_FILE
    )]
    config: PathBuf,
    /// The administration socket of the running server [default: the one that the configuration names]
    #[arg(long, global = true, env = "VEILPOST_SOCKET", value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print JSON for programs
    #[arg(long, global = true)]
    json: bool,
}

impl Common {
    /// A connection to the running server.
    fn client(&self) -> Result<Client, Failed> {
        Client::connect(&self.socket()?).map_err(Failed::from)
    }

    /// Where the running server is reached.
    fn socket(&self) -> Result<PathBuf, Failed> {
        match &self.socket {
            Some(path) => Ok(path.clone()),
            None => operate::socket_of(&self.config),
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Try Veilpost: a fresh vault with sample mail, served at once
    Demo(demo::DemoArgs),
    /// Write a configuration, keys and folders for a real server
    Init(operate::InitArgs),
    /// Run the server
    Serve,
    /// Check keys, modes, ports, certificate, clock and space, and say what to do
    Doctor,
    /// Print the DNS records that a domain needs, and why
    Dns(dns::DnsArgs),
    /// Show what the running server does
    Status,
    /// Tenants: create, list, remove
    #[command(subcommand)]
    Tenant(account::Tenant),
    /// Users: create, list, change or reset the password, reset TOTP, disable, enable
    #[command(subcommand)]
    User(account::User),
    /// Addresses: exact ones, aliases, catch-alls
    #[command(subcommand)]
    Address(address::Address),
    /// Say what became of the mail of an address
    Trace(trace::TraceArgs),
    /// Views: what one mail client may read
    #[command(subcommand)]
    View(view::View),
    /// Credentials of views: app passwords for devices
    #[command(subcommand)]
    Credential(view::Credential),
    /// Policies: load, list, show, check, preview, test, diff, schema
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Open an unlock session with password and TOTP code, for the commands that follow
    Unlock(unlock::UnlockArgs),
    /// End an unlock session
    Lock(unlock::LockArgs),
    /// Show the unlock sessions that are kept here
    Sessions,
    /// Read your mail, whole: list, read, export, delete
    #[command(subcommand)]
    Mail(mail::Mail),
    /// Who opened what, and when: list, verify, export, checkpoint, receipt
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Print the TOTP code of the moment for a seed, as an authenticator would
    Totp(unlock::TotpArgs),
    /// Print the completions of commands and options for a shell
    Completions(pages::CompletionsArgs),
    /// Write the manual pages, one for each command
    Man(pages::ManArgs),
}

/// Runs the command line; the process ends with the returned code: 0 done, 1 failed, 2 misused.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.common.json;
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => failed.report(json),
    }
}

fn dispatch(Cli { common, command }: Cli) -> Result<(), Failed> {
    match command {
        Command::Demo(args) => demo::run(args, common.json),
        Command::Init(args) => operate::init(args, &common),
        Command::Serve => operate::serve(&common),
        Command::Doctor => operate::doctor(&common),
        Command::Dns(args) => dns::run(&args, &common),
        Command::Status => operate::status(&common),
        Command::Tenant(command) => account::tenant(command, &common),
        Command::User(command) => account::user(command, &common),
        Command::Address(command) => address::address(command, &common),
        Command::Trace(args) => trace::run(args, &common),
        Command::View(command) => view::view(command, &common),
        Command::Credential(command) => view::credential(command, &common),
        Command::Policy(command) => policy::run(command, &common),
        Command::Unlock(args) => unlock::unlock(args, &common),
        Command::Lock(args) => unlock::lock(&args, &common),
        Command::Sessions => unlock::sessions(&common),
        Command::Mail(command) => mail::run(command, &common),
        Command::Audit(command) => audit::run(command, &common),
        Command::Totp(args) => unlock::totp(args, &common),
        Command::Completions(args) => pages::completions(&args),
        Command::Man(args) => pages::man(&args),
    }
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Self {
        let (message, hint) = match error {
            ClientError::Failed(failure) => return Self::from_server(failure),
            ClientError::Unreachable { ref source, .. }
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                (
                    error.to_string(),
                    Some("only root and the server's user may ask: put `sudo -u veilpost` in front"),
                )
            }
            ClientError::Unreachable { .. } => (
                error.to_string(),
                Some("start it with `veilpost serve`, or name its socket with --socket or VEILPOST_SOCKET"),
            ),
            ClientError::Answer => (error.to_string(), Some("compare `veilpost --version` on both sides")),
            other => (other.to_string(), None),
        };
        Self::new(message).hint_if(hint)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    /// `view create` had two arguments called `login`, and panicked.
    #[test]
    fn no_command_has_two_arguments_of_one_name() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_zone_fragment_is_no_json() {
        assert!(Cli::try_parse_from(["veilpost", "dns", "firm.example", "--zone"]).is_ok());
        assert!(Cli::try_parse_from(["veilpost", "dns", "firm.example", "--zone", "--json"]).is_err());
    }
}
