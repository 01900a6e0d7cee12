//! `veilpost mail`: the person whose mail it is reads it whole, in an unlock session.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use zeroize::Zeroizing;

use super::Common;
use super::terminal::{Bar, Failed, complain, confirm, harmless, print, say, table};
use super::unlock::Unlocking;
use crate::admin::api::{MailItem, MailWhole, Request};

/// Commands on one's own mail.
#[derive(Subcommand)]
pub enum Mail {
    /// List messages, newest first
    List {
        /// Only messages with a lower number
        #[arg(long)]
        before: Option<u32>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        unlocking: Unlocking,
    },
    /// Read one whole message: its header and text, or its octets with --raw
    #[command(
        after_help = "Examples:\n  veilpost mail read 3 --as ann@firm.example\n  veilpost mail read 3 --raw > message.eml\n  veilpost mail read 3 --code 123456\n\nWhere the tenant asks for a code for every message, --code is for this one while a session is open."
    )]
    Read {
        /// Its number or identifier
        message: String,
        /// The octets as received
        #[arg(long)]
        raw: bool,
        #[command(flatten)]
        unlocking: Unlocking,
    },
    /// Write all messages into a folder, one .eml file each; not where every message needs a code
    Export {
        /// The folder, which must not exist yet
        folder: PathBuf,
        #[command(flatten)]
        unlocking: Unlocking,
    },
    /// Remove a message for good
    Delete {
        /// Its number or identifier
        message: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        unlocking: Unlocking,
    },
}

/// `veilpost mail`.
pub fn run(command: Mail, common: &Common) -> Result<(), Failed> {
    let mut client = common.client()?;
    match command {
        Mail::List { before, limit, unlocking } => {
            let items: Vec<MailItem> = unlocking.with_session(&mut client, |client, session| {
                Ok(client.call(Request::MailList { session, before, limit })?)
            })?;
            print(common.json, &items, |items| listing(items))
        }
        Mail::Read { message, raw, unlocking } => {
            let whole: MailWhole = unlocking.with_code(&mut client, |client, session, code| {
                Ok(client.call(Request::MailRead { session, message: message.clone(), code })?)
            })?;
            show(&whole, raw, common.json)
        }
        Mail::Export { folder, unlocking } => {
            fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|error| {
                Failed::new(format!("{}: {error}", folder.display()))
                    .hint("name a folder that does not exist yet")
            })?;
            let bar = Bar::new();
            let done: serde_json::Value = unlocking.with_session(&mut client, |client, session| {
                let request = Request::MailExport { session };
                Ok(client.call_with(
                    request,
                    |progress| bar.show(&progress),
                    |item| write_eml(&folder, item),
                )?)
            })?;
            drop(bar);
            print(common.json, &done, |done| {
                format!(
                    "Wrote {} messages to {}; {} are damaged.",
                    done["exported"],
                    folder.display(),
                    done["damaged"]
                )
            })
        }
        Mail::Delete { message, yes, unlocking } => {
            confirm(&format!("Message {message} will be gone for good, for you and for every view."), yes)?;
            let done: serde_json::Value = unlocking.with_session(&mut client, |client, session| {
                Ok(client.call(Request::MailDelete { session, message: message.clone() })?)
            })?;
            print(common.json, &done, |_| "Deleted.".to_owned())
        }
    }
}

fn listing(items: &[MailItem]) -> String {
    let row = |item: &MailItem| {
        let (from, subject) = match &item.damaged {
            Some(what) => (format!("({what})"), String::new()),
            None => (one_line(&item.from, 30), one_line(&item.subject, 50)),
        };
        [item.uid.to_string(), item.received.clone(), from, subject, item.octets.to_string()]
    };
    table(
        ["NO", "RECEIVED", "FROM", "SUBJECT", "OCTETS"],
        &items.iter().map(row).collect::<Vec<_>>(),
        "No mail yet.",
    )
}

fn one_line(text: &str, width: usize) -> String {
    let text = harmless(text).replace(['\n', '\t'], " ");
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['\u{2026}']).collect()
}

fn show(whole: &MailWhole, raw: bool, json: bool) -> Result<(), Failed> {
    if json {
        return print(true, whole, |_| String::new());
    }
    let octets = Zeroizing::new(
        STANDARD
            .decode(whole.message.expose())
            .map_err(|_| Failed::new("the server's answer is not understood"))?,
    );
    if raw {
        return Ok(io::stdout().lock().write_all(&octets)?);
    }
    let text = Zeroizing::new(readable(&octets));
    say(&text)?;
    if io::stderr().is_terminal() {
        complain(&format!("\nAudit entry {}.", whole.entry));
    }
    Ok(())
}

/// Header and text of a message, for a terminal. What it cannot show it names.
fn readable(octets: &[u8]) -> String {
    let Some(message) = mail_parser::MessageParser::new().parse(octets) else {
        return harmless(&String::from_utf8_lossy(octets));
    };
    let mut text = String::new();
    for name in ["From", "To", "Cc", "Date", "Subject"] {
        for field in message.headers().iter().filter(|field| field.name.as_str().eq_ignore_ascii_case(name)) {
            let value =
                octets.get(field.offset_start as usize..field.offset_end as usize).unwrap_or_default();
            text.push_str(&format!("{name}: {}\n", decoded(value)));
        }
    }
    text.push('\n');
    text.push_str(&message.body_text(0).unwrap_or_default());
    for attachment in message.attachments() {
        use mail_parser::MimeHeaders;
        let name = attachment.attachment_name().unwrap_or("without a name");
        text.push_str(&format!("\n[attachment: {name}, {} octets]", attachment.contents().len()));
    }
    harmless(&text)
}

/// A header field's value with its encoded words (RFC 2047) decoded.
fn decoded(value: &[u8]) -> String {
    let mut field = value.to_vec();
    field.extend_from_slice(b"\r\n");
    match mail_parser::parsers::MessageStream::new(&field).parse_unstructured() {
        mail_parser::HeaderValue::Text(text) => text.into_owned(),
        _ => String::from_utf8_lossy(value).trim().to_owned(),
    }
}

/// Writes one exported message as `<number>.eml`.
fn write_eml(folder: &Path, item: serde_json::Value) -> io::Result<()> {
    let whole: MailWhole = serde_json::from_value(item)?;
    let octets = Zeroizing::new(STANDARD.decode(whole.message.expose()).map_err(io::Error::other)?);
    let path = folder.join(format!("{:08}.eml", whole.uid));
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(&octets)
}
