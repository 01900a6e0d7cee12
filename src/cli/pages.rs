//! `veilpost completions` and `veilpost man`: what a shell and `man` know of the command line, made from its
//! grammar.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::terminal::{Failed, say};

/// Arguments of `veilpost completions`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  veilpost completions bash > ~/.local/share/bash-completion/completions/veilpost\n  veilpost completions zsh > ~/.zfunc/_veilpost\n  veilpost completions fish > ~/.config/fish/completions/veilpost.fish"
)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Arguments of `veilpost man`.
#[derive(Args)]
#[command(after_help = "Example:\n  veilpost man --dir ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Where the pages go, one for each command; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
}

/// `veilpost completions`.
pub fn completions(args: &CompletionsArgs) -> Result<(), Failed> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "veilpost", &mut text);
    say(&String::from_utf8(text).map_err(Failed::new)?)
}

/// `veilpost man`.
pub fn man(args: &ManArgs) -> Result<(), Failed> {
    let failed = |error: io::Error| Failed::new(format!("{}: {error}", args.dir.display()));
    if !args.dir.exists() {
        std::fs::create_dir_all(&args.dir).and_then(|()| open_to_all(&args.dir, 0o755)).map_err(failed)?;
    }
    for command in with_those_below(grammar()) {
        let path = args.dir.join(file_name(&command));
        let written = page(&command).and_then(|page| std::fs::write(&path, page));
        written.and_then(|()| open_to_all(&path, 0o644)).map_err(failed)?;
    }
    Ok(())
}

/// The program's files are its owner's alone otherwise; a manual is for everybody.
fn open_to_all(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// The grammar, built, so that every command knows its whole name.
fn grammar() -> Command {
    let mut grammar = Cli::command().disable_help_subcommand(true);
    grammar.build();
    grammar
}

fn with_those_below(command: Command) -> Vec<Command> {
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set()).cloned();
    let below: Vec<Command> = shown.flat_map(with_those_below).collect();
    [vec![command], below].concat()
}

fn file_name(command: &Command) -> String {
    format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name()))
}

/// A page in the language of man(7).
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let source = concat!("Veilpost ", env!("CARGO_PKG_VERSION"));
    let man = clap_mangen::Man::new(command.clone()).source(source).manual("Veilpost");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(after) = command.get_after_help() {
        page.extend(examples(&after.to_string()).into_bytes());
    }
    if command.get_display_name().is_some_and(|whole| whole != command.get_name()) {
        page.extend(SEE_ALSO.as_bytes());
    }
    Ok(page)
}

/// What stands below a help text: examples, which keep their lines, and paragraphs.
fn examples(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| match paragraph.split_once(":\n") {
        Some((head, lines)) if head.starts_with("Example") => {
            let lines: String =
                lines.lines().map(|line| roff(line.strip_prefix("  ").unwrap_or(line))).collect();
            format!(".SH EXAMPLES\n.nf\n{lines}.fi\n")
        }
        _ => format!(".PP\n{}", paragraph.lines().map(roff).collect::<String>()),
    });
    paragraphs.collect()
}

/// A line of text that means nothing to roff, with hyphens that can be pasted (man(7), Portability).
fn roff(line: &str) -> String {
    let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
    format!("{guard}{}\n", line.replace('\\', "\\e").replace('-', "\\-"))
}

/// clap_mangen leaves options that all commands have to the first page.
const SEE_ALSO: &str =
    ".SH \"SEE ALSO\"\n.BR veilpost (1),\nwhich has the options that every command understands.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_command_has_a_page_with_its_parts() {
        let commands = with_those_below(grammar());
        assert!(commands.len() > 50);
        for command in commands {
            let page = String::from_utf8(page(&command).expect("renders")).expect("text");
            for part in [".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS"] {
                assert!(page.contains(part), "{}: no {part}", file_name(&command));
            }
            let has_examples =
                command.get_after_help().is_some_and(|text| text.to_string().contains("Example"));
            assert_eq!(page.contains(".SH EXAMPLES"), has_examples, "{page}");
        }
    }

    #[test]
    fn examples_keep_their_lines_and_mean_nothing_to_roff() {
        let text = "Examples:\n  veilpost a --b\n  .c\\d\n\nMore about it.";
        let wanted = ".SH EXAMPLES\n.nf\nveilpost a \\-\\-b\n\\&.c\\ed\n.fi\n.PP\nMore about it.\n";
        assert_eq!(examples(text), wanted);
    }
}
