#!/usr/bin/env bash
# mail-parser 0.11.9: "john.doe"@example.org is read as somebody named john.doe at the address @example.org.
#
# Guess:   the address is "john.doe"@example.org, with or without its quotes. RFC 5322 §3.4.1 lets a local part be a
#          quoted string; between angle brackets the crate reads it so.
# Seen:    without angle brackets the quoted string becomes the display name, and what is left, @example.org, the
#          address: one without local part, the same for everybody at this domain.
# Matters: a domain's people fall together: a pseudonym made of the address is the same for all of them, an answer
#          goes nowhere, and what was an address stands in the name, which a policy may show where it hides addresses.
#          An address without local part must be taken for none.
#
# Builds a small program in a temporary folder. Ends with 0 as described, 1 if it is otherwise, 2 if it cannot be run.

set -euo pipefail

readonly VERSION=0.11.9

main() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    build "mail-parser = \"=$VERSION\""

    echo "mail-parser $VERSION"
    echo "  guessed: name: -; address: \"john.doe\"@example.org"
    sender '<"john.doe"@example.org>' 'name: -; address: "john.doe"@example.org'
    sender '"john.doe"@example.org' 'name: john.doe; address: @example.org'
}

sender() {
    local seen
    seen=$("$work/target/debug/probe" "$1")
    echo "  seen:    $seen for $1"
    [[ $seen == "$2" ]] || changed "it was $2"
}

program() {
    cat <<'END'
use mail_parser::MessageParser;

fn main() {
    let mail = format!("From: {}\r\nSubject: x\r\n\r\nOne line.\r\n", std::env::args().nth(1).unwrap());
    let message = MessageParser::default().parse(mail.as_bytes()).unwrap();
    let one = message.from().and_then(|from| from.first()).unwrap();
    println!("name: {}; address: {}", one.name.as_deref().unwrap_or("-"), one.address.as_deref().unwrap_or("-"));
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
