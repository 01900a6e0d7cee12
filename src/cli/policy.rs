//! `veilpost policy`: write policies with confidence before any mail goes through them, then load
//! them into a tenant. Everything but `load`, `remove`, `list` and `show` works without a server.

mod cases;
mod columns;
mod preview;
mod remote;
mod source;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Common;
use super::terminal::{Failed, Style, print, say, styled};
use super::unlock::Authorising;
use crate::plan::trial::{Age, Circumstances};
use crate::policy::{self, Dmarc, Problem};
use source::Source;

/// Commands on policies.
#[derive(Subcommand)]
pub enum Policy {
    /// Find mistakes in policies, and say how to mend them
    #[command(after_help = "Example:\n  veilpost policy check policies/*.toml")]
    Check {
        /// Policy files, or names of shipped policies
        #[arg(required = true, value_name = "FILE")]
        policies: Vec<PathBuf>,
    },
    /// Show side by side what a client sees of a message and what stays sealed, and why
    #[command(after_help = "Examples:\n  veilpost policy preview letter.eml --policy headers-only\n  \
                      veilpost policy preview letter.eml --policy phone.toml --dmarc fail")]
    Preview(PreviewArgs),
    /// Compare the views of messages with those kept beside the policies
    #[command(
        after_help = "Beside NAME.toml lies NAME.cases/: CASE.eml (a message), CASE.view (the exact octets of its view;\n\
                      empty if the view leaves the message out), and CASE.facts where the policy asks for facts that\n\
                      no message tells, as in:\n  dmarc = \"fail\"\n  spam = true\n  to = [\"office@firm.example\"]\n  \
                      age = \"30d\"\n\nExamples:\n  veilpost policy test\n  veilpost policy test phone.toml --bless"
    )]
    Test {
        /// Policy files, or folders of them
        #[arg(value_name = "FILE_OR_DIR", default_value = "policies")]
        paths: Vec<PathBuf>,
        /// Write the views that are missing or differ: look at them before you commit them
        #[arg(long)]
        bless: bool,
    },
    /// List what a new policy shows that an old one does not, newly revealed fields first
    #[command(after_help = "Example:\n  veilpost policy diff headers-only phone.toml")]
    Diff {
        /// A policy file, or the name of a shipped policy
        old: PathBuf,
        /// Another one
        new: PathBuf,
    },
    /// Print the JSON schema of the policy language, for editors
    #[command(after_help = "Example:\n  veilpost policy schema > policy.schema.json")]
    Schema,
    /// Load a policy into a tenant; needs an unlock where views use it and it reveals more
    #[command(after_help = "Example:\n  veilpost policy load firm phone.toml --as ann@firm.example")]
    Load {
        /// The tenant
        tenant: String,
        /// The policy file
        file: PathBuf,
        /// Its name in the tenant [default: the file's name without .toml]
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// Remove a policy that was loaded into a tenant, and that no view uses any more
    #[command(
        after_help = "Example:\n  veilpost policy remove firm phone\n\nOne that took a shipped policy's place gives way to it: views follow the shipped one\nagain, which needs an unlock where it reveals more."
    )]
    Remove {
        /// The tenant
        tenant: String,
        /// The policy's name
        name: String,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// List a tenant's policies, shipped and loaded
    #[command(after_help = "Example:\n  veilpost policy list firm")]
    List {
        /// The tenant
        tenant: String,
    },
    /// Print the text of a tenant's policy
    #[command(after_help = "Example:\n  veilpost policy show firm phone > phone.toml")]
    Show {
        /// The tenant
        tenant: String,
        /// The policy's name
        name: String,
    },
}

/// Arguments of `veilpost policy preview`.
#[derive(Args)]
pub struct PreviewArgs {
    /// The message, as it comes by SMTP; `-` reads standard input
    #[arg(value_name = "MESSAGE.eml")]
    message: PathBuf,
    /// A policy file, or the name of a shipped policy
    #[arg(long, value_name = "FILE_OR_NAME")]
    policy: PathBuf,
    /// Print the exact octets of the view and nothing else
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    facts: FactArgs,
}

/// What exceptions may ask and no message tells.
#[derive(Args)]
struct FactArgs {
    /// An address that the message was delivered to
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    /// What DMARC said: pass, fail or none
    #[arg(long, value_parser = dmarc)]
    dmarc: Option<Dmarc>,
    /// Whether the filter called it spam
    #[arg(long, value_name = "true|false")]
    spam: Option<bool>,
    /// How long ago it arrived, as in 30d
    #[arg(long)]
    age: Option<Age>,
    /// The user's phrase against phishing
    #[arg(long)]
    phrase: Option<String>,
}

/// `veilpost policy`.
pub fn run(command: Policy, common: &Common) -> Result<(), Failed> {
    match command {
        Policy::Check { policies } => check(&policies, common.json),
        Policy::Preview(args) => preview::run(args, common.json),
        Policy::Test { paths, bless } => cases::run(&paths, bless, common.json),
        Policy::Diff { old, new } => diff(&old, &new, common.json),
        Policy::Schema => say(&policy::schema()),
        Policy::Load { tenant, file, name, authorising } => {
            remote::load(common, &tenant, &file, name, &authorising)
        }
        Policy::Remove { tenant, name, authorising } => remote::remove(common, &tenant, &name, &authorising),
        Policy::List { tenant } => remote::list(common, tenant),
        Policy::Show { tenant, name } => remote::show(common, tenant, name),
    }
}

impl FactArgs {
    fn told(self) -> Circumstances {
        let Self { to, dmarc, spam, age, phrase } = self;
        Circumstances { to, dmarc, spam, age, phrase }
    }
}

fn dmarc(text: &str) -> Result<Dmarc, String> {
    match text {
        "pass" => Ok(Dmarc::Pass),
        "fail" => Ok(Dmarc::Fail),
        "none" => Ok(Dmarc::None),
        _ => Err("write pass, fail or none".to_owned()),
    }
}

/// What `check` found in one policy.
#[derive(Serialize)]
struct Checked {
    policy: String,
    loads: bool,
    problems: Vec<Problem>,
    /// What whoever wrote it should know.
    notes: Vec<String>,
}

fn check(policies: &[PathBuf], json: bool) -> Result<(), Failed> {
    let checked = policies.iter().map(|path| checked(path)).collect::<Result<Vec<_>, _>>()?;
    print(json, &checked, |checked| checked.iter().map(findings).collect::<String>())?;
    match checked.iter().filter(|one| !one.loads).count() {
        0 => Ok(()),
        bad => Err(Failed::new(format!("{bad} of {} policies do not load", checked.len()))
            .hint("mend the lines above; docs/policy.md explains every key")),
    }
}

fn checked(path: &std::path::Path) -> Result<Checked, Failed> {
    let source = Source::find(path)?;
    let (problems, notes) = match source.parse() {
        Ok(policy) => (Vec::new(), policy.notes()),
        Err(errors) => (errors.problems, Vec::new()),
    };
    Ok(Checked { policy: source.place, loads: problems.is_empty(), problems, notes })
}

/// One line a finding, with the place first, as editors and people read them.
fn findings(checked: &Checked) -> String {
    let out = std::io::stdout();
    let Checked { policy, loads, problems, notes } = checked;
    if *loads && notes.is_empty() {
        return format!("{policy}: {}\n", styled("loads", Style::Good, &out));
    }
    let problem = |problem: &Problem| {
        let Problem { line, column, place, message } = problem;
        let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
        format!("{policy}:{line}:{column}: {} {place}{message}\n", styled("error:", Style::Bad, &out))
    };
    let note = |note: &String| format!("{policy}: {} {note}\n", styled("note:", Style::Strong, &out));
    problems.iter().map(problem).chain(notes.iter().map(note)).collect()
}

fn diff(old: &std::path::Path, new: &std::path::Path, json: bool) -> Result<(), Failed> {
    let (old, new) = (Source::find(old)?.policy()?, Source::find(new)?.policy()?);
    let diff = policy::diff(&old, &new);
    let answer = serde_json::json!({
        "reveals": diff.reveals, "hides": diff.hides, "other": diff.other, "needs_unlock": diff.loosens(),
    });
    print(json, &answer, |_| coloured(&diff))
}

/// The difference, a line for each sentence, and what it means.
fn coloured(diff: &policy::Diff) -> String {
    let out = std::io::stdout();
    let verdict = match (diff.is_empty(), diff.loosens()) {
        (true, _) => "The policies show the same.",
        (_, true) => "The new policy reveals more: giving it to a view needs an unlock.",
        (_, false) => "The new policy reveals nothing more: it takes effect at once.",
    };
    let style = |line: &str| match line.as_bytes().first() {
        Some(b'+') => styled(line, Style::Bad, &out),
        Some(b'-') => styled(line, Style::Good, &out),
        _ => styled(line, Style::Dim, &out),
    };
    let lines: String = diff.to_string().lines().map(|line| style(line) + "\n").collect();
    if lines.is_empty() { verdict.to_owned() } else { format!("{lines}\n{verdict}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_begin_with_the_place() {
        let problem = Problem { line: 3, column: 8, place: "body.text".into(), message: "unknown".into() };
        let bad =
            Checked { policy: "p.toml".into(), loads: false, problems: vec![problem], notes: Vec::new() };
        assert_eq!(findings(&bad), "p.toml:3:8: error: body.text: unknown\n");
        let good = Checked { policy: "p.toml".into(), loads: true, problems: Vec::new(), notes: Vec::new() };
        assert_eq!(findings(&good), "p.toml: loads\n");
    }

    #[test]
    fn a_difference_ends_in_a_verdict() {
        let load = |name: &str| Source::find(name.as_ref()).unwrap().policy().unwrap();
        let (less, more) = (load("sender-and-date"), load("headers-only"));
        assert!(coloured(&policy::diff(&less, &more)).contains("needs an unlock"));
        assert_eq!(coloured(&policy::diff(&less, &less)), "The policies show the same.");
    }

    #[test]
    fn every_shipped_policy_passes_the_check() {
        for (name, _) in policy::shipped() {
            assert!(checked(name.as_ref()).unwrap().loads, "{name}");
        }
        assert!(checked("no-such-policy".as_ref()).is_err());
    }
}
