#!/usr/bin/env bash
# smtp-proto 0.2.5: RCPT TO:<Postmaster> is parsed as the empty address, the same as <>.
#
# Guess:   the addressee is "Postmaster". RFC 5321 §4.1.1.3 has this path without a domain in its grammar, and §4.5.1
#          says that every server takes it.
# Seen:    the parser says Ok and gives "", in any case of the letters. MAIL FROM:<> and RCPT TO:<>, which is not
#          valid, give the same "". Any mailbox with a domain, postmaster@example.org too, comes out whole.
# Matters: a server that refuses empty addressees, as it must, refuses its postmaster; one that takes an empty address
#          for the sender of a DSN has an addressee it cannot name in its log. Look at the line before parsing.
#
# Builds a small program in a temporary folder. Ends with 0 as described, 1 if it is otherwise, 2 if it cannot be run.

set -euo pipefail

readonly VERSION=0.2.5

main() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    build "smtp-proto = \"=$VERSION\""

    local short whole
    short=$(address 'RCPT TO:<Postmaster>')
    whole=$(address 'RCPT TO:<Postmaster@example.org>')
    echo "smtp-proto $VERSION"
    echo "  guessed: RCPT TO:<Postmaster> is for \"Postmaster\""
    echo "  seen:    it is for $short; RCPT TO:<Postmaster@example.org> is for $whole"
    [[ $whole == '"Postmaster@example.org"' ]] || changed "with a domain: $whole"
    [[ $short == '""' ]] || changed "without a domain: $short"
    [[ $(address 'RCPT TO:<postmaster>') == '""' ]] || changed "in small letters it is otherwise"
}

address() {
    "$work/target/debug/probe" "$1"
}

program() {
    cat <<'END'
use smtp_proto::Request;

fn main() {
    let line = std::env::args().nth(1).unwrap() + "\r\n";
    match Request::parse(&mut line.as_bytes().iter()) {
        Ok(Request::Rcpt { to }) => println!("{:?}", to.address),
        Ok(other) => println!("{}", other.name()),
        Err(error) => println!("{error:?}"),
    }
}
END
}

# Builds the program with the given dependency, in the folder alone.
build() {
    local cargo home
    cargo=$(command -v cargo) || absent "no cargo"
    # rustup looks for its toolchains below HOME; they are where its cargo is.
    home=${cargo%/.cargo/bin/cargo}
    [[ ! -d $home/.rustup ]] || export RUSTUP_HOME=${RUSTUP_HOME:-$home/.rustup}
    mkdir -p "$work/src"
    program >"$work/src/main.rs"
    printf '%s\n' '[package]' 'name = "probe"' 'version = "0.0.0"' 'edition = "2021"' '[dependencies]' "$1" \
        >"$work/Cargo.toml"
    (cd "$work" && CARGO_HOME=$work/cargo CARGO_TARGET_DIR=$work/target cargo build -q -j1 >"$work/log" 2>&1) ||
        absent "it does not build: $(tail -n 3 "$work/log")"
}

changed() {
    echo "  CHANGED: $*" >&2
    exit 1
}

absent() {
    echo "cannot run: $*" >&2
    exit 2
}

main
