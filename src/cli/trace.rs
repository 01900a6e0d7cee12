//! `veilpost trace`: what became of the mail of an address.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Common;
use super::terminal::{Failed, harmless, print, say, table};
use crate::admin::api::{MailSeen, MailTraced, Request};

/// Arguments of `veilpost trace`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  veilpost trace bob@elsewhere.example\n  journalctl -u veilpost | veilpost trace ann@firm.example --log -\n\n\
                  The log names addresses by tokens only this server can make; asking is in the audit log."
)]
pub struct TraceArgs {
    /// The address of a sender or an addressee, in any form
    address: String,
    /// Of this tenant's mail alone
    #[arg(long)]
    tenant: Option<String>,
    /// Print the lines of the server's log about it, too; - is standard input
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// `veilpost trace`.
pub fn run(args: TraceArgs, common: &Common) -> Result<(), Failed> {
    let TraceArgs { address, tenant, log } = args;
    let traced: MailTraced = common.client()?.call(Request::MailTrace { address, tenant })?;
    print(common.json, &traced, shown)?;
    log.map_or(Ok(()), |log| lines(&log, &traced.token))
}

fn shown(traced: &MailTraced) -> String {
    let row = |seen: &MailSeen| {
        let dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        [
            seen.time.clone(),
            seen.verdict.clone(),
            format!("{} {}", seen.reply, seen.why),
            seen.direction.clone(),
            dash(&seen.peer),
            dash(&seen.tenant),
            seen.message.clone().unwrap_or_else(|| format!("session {}", seen.session)),
            seen.size.to_string(),
        ]
    };
    let head = ["TIME", "VERDICT", "REPLY", "AS", "PEER", "TENANT", "MESSAGE", "SIZE"];
    let rows: Vec<_> = traced.seen.iter().map(row).collect();
    let empty = "Nothing was seen of it in the last fortnight: no server came with such mail, or much other mail came after it.";
    format!("In the log it is {}.\n\n{}", traced.token, table(head, &rows, empty))
}

fn lines(log: &Path, token: &str) -> Result<(), Failed> {
    let failed = |error: io::Error| Failed::new(format!("{}: {error}", log.display()));
    let reader: Box<dyn BufRead> = match log.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::new(std::fs::File::open(log).map_err(failed)?)),
    };
    for line in reader.split(b'\n') {
        let line = String::from_utf8_lossy(&line.map_err(failed)?).into_owned();
        if line.contains(token) {
            say(&harmless(&line))?;
        }
    }
    Ok(())
}
