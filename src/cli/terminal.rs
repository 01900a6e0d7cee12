//! What a person sees: tables, secrets shown once, progress, prompts, errors with a hint.
//! Colour and drawing only on a terminal, and never with `NO_COLOR` set (no-color.org).

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::admin::api::{Failure, FailureCode, Progress, Secret};
use crate::keyring::Passphrase;
use crate::keyring::strength::check_new;

/// A command that came to nothing: what is wrong, and what to do.
#[derive(Debug)]
pub struct Failed {
    message: String,
    hint: Option<String>,
    code: Option<FailureCode>,
}

impl Failed {
    /// A failure with a sentence for the person.
    pub fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, code: None }
    }

    /// Adds what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do, if anything can be done.
    pub fn hint_if(self, hint: Option<&str>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// What the server said.
    pub fn from_server(failure: Failure) -> Self {
        Self { message: failure.message, hint: failure.hint, code: Some(failure.code) }
    }

    /// The server's word for what went wrong.
    pub fn code(&self) -> Option<FailureCode> {
        self.code
    }

    /// Prints it to standard error and gives the exit code.
    pub fn report(&self, json: bool) -> ExitCode {
        if json {
            let failure = Failure {
                code: self.code.unwrap_or(FailureCode::Invalid),
                message: self.message.clone(),
                hint: self.hint.clone(),
            };
            complain(&serde_json::json!({ "error": failure }).to_string());
        } else {
            complain(&format!("{}: {}", styled("error", Style::Bad, &io::stderr()), self.message));
            if let Some(hint) = &self.hint {
                complain(&format!("{}: {hint}", styled(" hint", Style::Dim, &io::stderr())));
            }
        }
        ExitCode::FAILURE
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

/// Prints `value` as JSON, or what `human` makes of it.
pub fn print<T: Serialize>(json: bool, value: &T, human: impl FnOnce(&T) -> String) -> Result<(), Failed> {
    let text = if json { serde_json::to_string_pretty(value).map_err(Failed::new)? } else { human(value) };
    say(&text)
}

/// Prints a line; a reader that has gone away is no error.
pub fn say(text: &str) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints a line to standard error, where there may be nobody to read it: `eprintln!` would panic.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A text file that a person keeps: UTF-8 with or without a byte-order mark, or the UTF-16 that some shells
/// write.
pub fn read_text(path: &Path) -> Result<String, Failed> {
    let failed = |why: &dyn fmt::Display| Failed::new(format!("{}: {why}", path.display()));
    let mut octets = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    file.take(MAX_TEXT + 1).read_to_end(&mut octets).map_err(|error| failed(&error))?;
    if octets.len() as u64 > MAX_TEXT {
        return Err(failed(&format!("more than {} MiB", MAX_TEXT >> 20)));
    }
    let text = decoded(&octets).ok_or_else(|| failed(&"is no text"))?;
    if text.trim().is_empty() { Err(failed(&"is empty")) } else { Ok(text) }
}

fn decoded(octets: &[u8]) -> Option<String> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> =
            octets[2..].chunks(2).map(|pair| unit([pair[0], *pair.get(1).unwrap_or(&0)])).collect();
        String::from_utf16(&units).ok()
    };
    match octets {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(octets.to_vec()).ok(),
    }
}

/// The secret in a file, without a byte-order mark before it and the line's end after it.
pub fn secret_in(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n'])
}

/// A table with a head, columns as wide as they need; `empty` when there are no rows.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]], empty: &str) -> String {
    if rows.is_empty() {
        return format!("{empty}\n");
    }
    let width = |column: usize| {
        rows.iter().map(|row| row[column].width()).chain([head[column].width()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width()))));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = styled(&line(head), Style::Strong, &io::stdout());
    for row in rows {
        text.push('\n');
        text.push_str(&line(std::array::from_fn(|column| row[column].as_str())));
    }
    text + "\n"
}

/// A QR code in half blocks, readable by a phone from a dark or a light terminal.
pub fn qr(content: &str) -> String {
    QrCode::new(content).map_or_else(
        |_| String::new(),
        |code| {
            code.render::<Dense1x2>()
                .dark_color(Dense1x2::Light)
                .light_color(Dense1x2::Dark)
                .quiet_zone(true)
                .build()
        },
    )
}

/// How a word is set off.
#[derive(Clone, Copy)]
pub enum Style {
    /// Names and heads.
    Strong,
    /// Side remarks.
    Dim,
    /// Good news.
    Good,
    /// Errors.
    Bad,
}

/// `text` in `style` where `out` is a terminal that wants it.
pub fn styled(text: &str, style: Style, out: &impl IsTerminal) -> String {
    if !out.is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return text.to_owned();
    }
    let code = match style {
        Style::Strong => "1",
        Style::Dim => "2",
        Style::Good => "32",
        Style::Bad => "31;1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Text from outside, fit for a terminal: no control or bidirectional characters (they could move
/// the cursor, recolour, or reorder what a person reads). Line feeds and tabs stay.
pub fn harmless(text: &str) -> String {
    let bad = |letter: char| {
        (letter.is_control() && letter != '\n' && letter != '\t')
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .filter(|letter| *letter != '\r')
        .map(|letter| if bad(letter) { '\u{fffd}' } else { letter })
        .collect()
}

/// Asks for a secret: from a file, from the environment, or at the terminal without echo.
pub fn ask_secret(what: &str, file: Option<&Path>, variable: &str) -> Result<Secret, Failed> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failed::new(format!("{}: {error}", path.display())))?;
        return Ok(Secret::new(secret_in(&text).to_owned()));
    }
    if let Ok(text) = std::env::var(variable) {
        return Ok(Secret::new(text));
    }
    if !io::stdin().is_terminal() {
        return Err(Failed::new(format!("{what} is needed, and there is no terminal to ask at"))
            .hint(format!("give it in the environment variable {variable}")));
    }
    rpassword::prompt_password(format!("{what}: ")).map(Secret::new).map_err(Failed::from)
}

/// Asks for a new password twice.
pub fn ask_new_password(what: &str, file: Option<&Path>, variable: &str) -> Result<Secret, Failed> {
    let first = ask_secret(what, file, variable)?;
    if file.is_none() && std::env::var_os(variable).is_none() {
        let second = ask_secret(&format!("{what}, once more"), None, variable)?;
        if first.expose() != second.expose() {
            return Err(Failed::new("the two passwords differ"));
        }
    }
    // The server asks the same; this spares the way. It knows the login, too.
    check_new(&Passphrase::new(first.expose().to_owned()), &[])
        .map_err(|weak| Failed::new(format!("the password is not taken: {weak}")))?;
    Ok(first)
}

/// Asks a question that only `yes` answers.
pub fn confirm(question: &str, sure: bool) -> Result<(), Failed> {
    if sure {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(
            Failed::new("this needs a confirmation, and there is no terminal to ask at").hint("pass --yes")
        );
    }
    let _ = write!(io::stderr().lock(), "{question} Type yes: ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failed::new("nothing was changed")) }
}

/// What starts this program again: its name where the shell finds it, else its path.
pub fn program() -> String {
    let ours = std::env::current_exe().ok();
    let found = on_path(NAME).and_then(|path| path.canonicalize().ok());
    match ours {
        Some(path) if found.as_ref() != Some(&path) => path.display().to_string(),
        _ => NAME.to_owned(),
    }
}

/// A program that the shell finds.
pub fn on_path(name: &str) -> Option<std::path::PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A progress bar for long work, drawn on standard error, absent where that is no terminal.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar that shows itself with the first progress.
    pub fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {eta}");
        let bar = ProgressBar::hidden();
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// Shows how far the work is.
    pub fn show(&self, progress: &Progress) {
        if self.0.is_hidden() && io::stderr().is_terminal() {
            self.0.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
        self.0.set_length(progress.total);
        self.0.set_position(progress.done);
        self.0.set_message(progress.what.clone());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The program's name.
const NAME: &str = "veilpost";
/// Octets of a text that a person names: a year of checkpoints of a large server.
const MAX_TEXT: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_other_systems_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        let read = |octets: &[u8]| {
            std::fs::write(&path, octets).unwrap();
            read_text(&path).ok()
        };
        let wide =
            |unit: fn(u16) -> [u8; 2]| "\u{feff}a\u{2014}".encode_utf16().flat_map(unit).collect::<Vec<_>>();
        for octets in
            ["a\u{2014}".into(), "\u{feff}a\u{2014}".into(), wide(u16::to_le_bytes), wide(u16::to_be_bytes)]
        {
            assert_eq!(read(&octets).as_deref(), Some("a\u{2014}"), "{octets:?}");
        }
        for octets in [&b""[..], b" \r\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xff\xfe\x00\xd8", b"\x80"] {
            assert_eq!(read(octets), None, "{octets:?}");
        }
        assert_eq!(secret_in("\u{feff}pass word \r\n"), "pass word ");
    }

    #[test]
    fn tables_align_by_width_not_by_octets() {
        let rows = [["\u{65e5}\u{672c}".to_owned(), "1".to_owned()], ["ab".to_owned(), "2".to_owned()]];
        assert_eq!(table(["name", "n"], &rows, "none"), "name  n\n\u{65e5}\u{672c}  1\nab    2\n");
        assert_eq!(table(["name", "n"], &[], "none"), "none\n");
    }

    #[test]
    fn text_from_outside_cannot_drive_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\r\nc\u{202e}d"), "a\u{fffd}[2Jb\nc\u{fffd}d");
    }

    #[test]
    fn a_qr_code_has_a_picture() {
        assert!(qr("otpauth://totp/x?secret=AAAA").lines().count() > 10);
    }
}
