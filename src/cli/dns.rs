//! `veilpost dns`: the records that a domain needs, from the configuration alone. Asks no server and
//! no resolver, so it works before anything runs.

use clap::Args;
use serde::Serialize;

use super::Common;
use super::operate::load;
use super::terminal::{Failed, Style, print, say, styled, table};
use crate::autoconfig::{Record, Services, dns_notes, dns_records, zone};

/// Arguments of `veilpost dns`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  veilpost dns firm.example\n  veilpost dns firm.example --zone >> firm.example.zone\n  veilpost dns b\u{fc}cher.example --json\n\nA domain has one SPF and one DMARC record: join these with those it has."
)]
pub struct DnsArgs {
    /// The domain whose mail this server takes
    domain: String,
    /// Print a fragment of a zone file, as BIND reads it
    #[arg(long, conflicts_with = "json")]
    zone: bool,
}

#[derive(Serialize)]
struct Answer {
    records: Vec<Record>,
    notes: Vec<String>,
}

/// `veilpost dns`.
pub fn run(args: &DnsArgs, common: &Common) -> Result<(), Failed> {
    let services = Services::of(&load(&common.config)?);
    let no_domain = |_| {
        Failed::new(format!("{:?} is not a domain with room for these names below it", args.domain))
            .hint("write it in full, as in firm.example")
    };
    let answer = Answer {
        records: dns_records(&services, &args.domain).map_err(no_domain)?,
        notes: dns_notes(&services, &args.domain).map_err(no_domain)?,
    };
    if args.zone {
        return say(&zone(&answer.records, &answer.notes));
    }
    print(common.json, &answer, readable)
}

fn readable(answer: &Answer) -> String {
    let row = |record: &Record| {
        [record.name.clone(), record.kind.to_string(), record.value.clone(), record.purpose.clone()]
    };
    let rows: Vec<_> = answer.records.iter().map(row).collect();
    let mut text = table(["NAME", "TYPE", "VALUE", "WHY"], &rows, "no records");
    for note in &answer.notes {
        text.push_str(&format!("\n{} {note}", styled("note:", Style::Strong, &std::io::stdout())));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_table_says_what_and_why() {
        let config = Config::defaults("mail.firm.example", Path::new("/etc/veilpost")).expect("valid");
        let services = Services::of(&config);
        let answer = Answer {
            records: dns_records(&services, "firm.example").expect("a domain"),
            notes: dns_notes(&services, "firm.example").expect("a domain"),
        };
        let text = readable(&answer);
        let mx = text.lines().find(|line| line.contains(" MX ")).expect("a record");
        assert!(mx.starts_with("firm.example. ") && mx.contains("10 mail.firm.example."), "{text}");
        assert!(mx.ends_with("deliver the domain's mail here."), "{text}");
        assert!(text.contains("\nnote: mail.firm.example itself needs an A record"), "{text}");
    }
}
