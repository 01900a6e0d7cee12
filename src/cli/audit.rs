//! `veilpost audit`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Subcommand;

use super::Common;
use super::terminal::{Failed, Style, harmless, print, read_text, say, styled};
use crate::admin::api::{AuditReport, Request, UnreadableCheckpoint};
use crate::audit::{ReceiptError, VerifyingKey, verify_receipt};

/// Commands on the audit log.
#[derive(Subcommand)]
pub enum Audit {
    /// List entries, oldest first
    List {
        /// The tenant's name
        tenant: String,
        /// From this entry on
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// At most so many
        #[arg(long)]
        limit: Option<u64>,
    },
    /// Recompute the whole log and compare it with its checkpoints
    #[command(
        after_help = "Example:\n  veilpost audit verify firm --checkpoint kept-elsewhere.note\n\nExits with 1 when anything does not agree."
    )]
    Verify {
        /// The tenant's name
        tenant: String,
        /// A checkpoint that was kept elsewhere
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
    },
    /// Write all entries as JSON lines
    Export {
        /// The tenant's name
        tenant: String,
        /// One JSON object a line, the only format there is
        #[arg(long)]
        jsonl: bool,
        /// Into this file [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Sign a checkpoint now and print it
    Checkpoint {
        /// The tenant's name
        tenant: String,
    },
    /// Print a receipt for one entry: the proof that it is in the log
    Receipt {
        /// The tenant's name
        tenant: String,
        /// The entry's number
        entry: u64,
    },
    /// Check a receipt without the server
    CheckReceipt {
        /// The receipt
        file: PathBuf,
        /// The key that checkpoints are signed with (see `veilpost audit verify`)
        #[arg(long, value_name = "KEY")]
        verifier_key: String,
    },
}

/// `veilpost audit`.
pub fn run(command: Audit, common: &Common) -> Result<(), Failed> {
    match command {
        Audit::List { tenant, from, limit } => {
            let request = Request::AuditList { tenant, from, limit };
            let json = common.json;
            each_entry(
                common,
                request,
                |entry| if json { say(&entry.to_string()) } else { say(&sentence(entry)) },
            )
        }
        Audit::Verify { tenant, checkpoint } => verify(common, tenant, &checkpoint),
        Audit::Export { tenant, jsonl: _, output } => export(common, tenant, output),
        Audit::Checkpoint { tenant } => {
            let done: serde_json::Value = common.client()?.call(Request::AuditCheckpoint { tenant })?;
            print(common.json, &done, |done| done["checkpoint"].as_str().unwrap_or_default().to_owned())
        }
        Audit::Receipt { tenant, entry } => {
            let receipt: String = common.client()?.call(Request::AuditReceipt { tenant, entry })?;
            print(common.json, &receipt, String::clone)
        }
        Audit::CheckReceipt { file, verifier_key } => {
            let text = read_text(&file)?;
            let entry = check_receipt(&text, &verifier_key)?;
            print(common.json, &entry, |entry| format!("The receipt holds.\n{}", sentence(entry)))
        }
    }
}

/// The entry that a receipt proves, as JSON.
fn check_receipt(text: &str, verifier_key: &str) -> Result<serde_json::Value, Failed> {
    let key = VerifyingKey::parse(verifier_key)
        .map_err(|error| Failed::new(error).hint("`veilpost audit verify TENANT` prints the key"))?;
    let proven = verify_receipt(text, &key).map_err(|error| match error {
        ReceiptError::Form => Failed::new("the file is not a receipt, or no longer readable as one")
            .hint("that says nothing of the log; take it again from where it was kept"),
        error => {
            Failed::new(error).hint("a receipt that does not check was changed, or belongs to another server")
        }
    })?;
    let line = proven.entry.encode().map_err(Failed::new)?;
    serde_json::from_slice(&line).map_err(Failed::new)
}

fn verify(common: &Common, tenant: String, files: &[PathBuf]) -> Result<(), Failed> {
    let checkpoints = files.iter().map(|file| read_text(file)).collect::<Result<Vec<_>, _>>()?;
    let report: AuditReport = common.client()?.call(Request::AuditVerify { tenant, checkpoints })?;
    print(common.json, &report, |report| verified(report, files))?;
    match report {
        AuditReport { intact: false, .. } => Err(Failed::new("the audit log was changed or is damaged")),
        AuditReport { unreadable, .. } if !unreadable.is_empty() => {
            Err(Failed::new("a checkpoint cannot be read; that says nothing of the log")
                .hint("take it again from where it was kept, as it was printed"))
        }
        AuditReport { compared: 0, .. } if !files.is_empty() => {
            Err(Failed::new("none of the checkpoints is of this tenant's log"))
        }
        _ => Ok(()),
    }
}

fn verified(report: &AuditReport, files: &[PathBuf]) -> String {
    let out = std::io::stdout();
    let verdict = match report.intact {
        true => styled("The log is whole and unchanged.", Style::Good, &out),
        false => styled("The log does not agree with itself:", Style::Bad, &out),
    };
    let problems: String = report.problems.iter().map(|problem| format!("  {problem}\n")).collect();
    let unreadable: String = report.unreadable.iter().map(|one| unread(one, files)).collect();
    let others = match report.others {
        0 => String::new(),
        others => format!(", {others} of other tenants passed over"),
    };
    format!(
        "{verdict}\n{problems}{unreadable}\n  entries       {}\n  compared      {} checkpoints given{others}\n  \
         root          {}\n  verifier key  {}\n\n{}",
        report.entries, report.compared, report.root, report.verifier_key, report.checkpoint
    )
}

/// A line about a checkpoint that cannot be read.
fn unread(one: &UnreadableCheckpoint, files: &[PathBuf]) -> String {
    let file = usize::try_from(one.text).ok().and_then(|text| files.get(text));
    let file = file.map_or_else(String::new, |file| file.display().to_string());
    match one.checkpoint {
        0 => format!("  {file}: holds no checkpoint\n"),
        number => {
            format!("  {file}: checkpoint {number} is unreadable, or not signed by this server's key\n")
        }
    }
}

fn export(common: &Common, tenant: String, output: Option<PathBuf>) -> Result<(), Failed> {
    let request = Request::AuditList { tenant, from: 0, limit: None };
    let Some(path) = output else { return each_entry(common, request, |entry| say(&entry.to_string())) };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(|error| {
            Failed::new(format!("{}: {error}", path.display())).hint("name a file that does not exist yet")
        })?;
    each_entry(common, request, |entry| Ok(writeln!(file, "{entry}")?))?;
    Ok(file.sync_all()?)
}

fn each_entry(
    common: &Common,
    request: Request,
    mut show: impl FnMut(&serde_json::Value) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let mut failed = None;
    let _: serde_json::Value = common.client()?.call_with(
        request,
        |_| {},
        |entry| {
            show(&entry).map_err(|error| {
                failed = Some(error);
                std::io::Error::other("the output failed")
            })
        },
    )?;
    failed.map_or(Ok(()), Err)
}

/// An entry as a line for people: number, time, what was done, by whom, from where, why.
fn sentence(entry: &serde_json::Value) -> String {
    let act = phrase(&entry["act"]);
    let mut line = format!(
        "{:>6}  {}  {act:<34}  by {}",
        entry["seq"],
        entry["time"].as_str().unwrap_or(""),
        phrase(&entry["actor"])
    );
    match entry["origin"]["address"].as_str() {
        Some(address) => line.push_str(&format!("  from {address}")),
        None => line.push_str(&format!("  from {}", phrase(&entry["origin"]))),
    }
    if let Some(policy) = entry["policy"]["name"].as_str() {
        line.push_str(&format!("  under {policy}"));
    }
    if let Some(reason) = entry["reason"].as_str() {
        line.push_str(&format!("  because: {reason}"));
    }
    harmless(&line)
}

/// `{"kind": "message_fetched", "message": "x", "extent": {"kind": "whole"}}` as
/// `message fetched x whole`.
fn phrase(value: &serde_json::Value) -> String {
    let kind = value["kind"].as_str().unwrap_or("").replace('_', " ");
    let mut words = vec![kind];
    for (name, field) in value.as_object().into_iter().flatten().filter(|(name, _)| *name != "kind") {
        words.push(match field {
            serde_json::Value::String(text) => text.replace('_', " "),
            serde_json::Value::Object(_) => phrase(field),
            serde_json::Value::Number(number) => format!("{name} {number}"),
            // Sixty-four identifiers are no sentence; --json and `audit export` have them.
            serde_json::Value::Array(many) if many.len() > MOST_NAMED => format!("{} {name}", many.len()),
            serde_json::Value::Array(few) => {
                few.iter().filter_map(|one| one.as_str()).collect::<Vec<_>>().join(" ")
            }
            other => other.to_string(),
        });
    }
    words.join(" ")
}

/// Identifiers in one line.
const MOST_NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_are_counted_and_few_are_named() {
        let act = |messages: &[&str]| {
            phrase(
                &serde_json::json!({"kind": "messages_fetched", "messages": messages, "extent": {"kind": "whole"}}),
            )
        };
        assert_eq!(act(&["a", "b"]), "messages fetched a b whole");
        assert_eq!(act(&["a"; 64]), "messages fetched 64 messages whole");
        let listed = serde_json::json!({"kind": "messages_listed", "numbers": "1:40,57"});
        assert_eq!(phrase(&listed), "messages listed 1:40,57");
    }
}
