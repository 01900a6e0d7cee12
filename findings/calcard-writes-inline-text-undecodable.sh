#!/usr/bin/env bash
# calcard 0.3.14: an inline attachment is written back as base64 or as bare text, depending on what is in it.
#
# Guess:   ATTACH;VALUE=BINARY;ENCODING=BASE64 stays so. RFC 5545 §3.1.3 wants the encoding with every inline binary.
# Seen:    if the octets are not UTF-8, a picture, it stays so. If they are, a note in plain text, the text itself is
#          written, with VALUE=BINARY and without ENCODING: another reader takes it for base64, or refuses it. The
#          PHOTO of a vCard 3.0 loses ENCODING=b in the same way if its octets happen to be text, as an SVG has.
# Matters: a test with a picture shows that attachments survive; notes, CSV, SVG and keys in armour do not, in
#          invitations that are masked and written again, or kept in this form. Whether a file survives must not
#          depend on its content.
#
# Builds a small program in a temporary folder. Ends with 0 as described, 1 if it is otherwise, 2 if it cannot be run.

set -euo pipefail

readonly VERSION=0.3.14

main() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    build "calcard = { version = \"=$VERSION\", default-features = false }"

    echo "calcard $VERSION"
    attachment '/9j/4AAQSkZJRgABAQAASABIAAD/' 'ATTACH;ENCODING=BASE64;VALUE=BINARY:/9j/4AAQSkZJRgABAQAASABIAAD/'
    attachment 'QnJpbmcgdGhlIGtleXM=' 'ATTACH;VALUE=BINARY:Bring the keys'
    echo "  guessed: ATTACH;ENCODING=BASE64;VALUE=BINARY:QnJpbmcgdGhlIGtleXM="
}

# An event with the attachment, written again.
attachment() {
    local seen
    seen=$(printf '%s\r\n' BEGIN:VCALENDAR VERSION:2.0 PRODID:-//example//EN BEGIN:VEVENT UID:1 \
        DTSTAMP:20261130T090000Z DTSTART:20261201T090000Z \
        "ATTACH;ENCODING=BASE64;VALUE=BINARY:$1" END:VEVENT END:VCALENDAR |
        "$work/target/debug/probe" | grep '^ATTACH')
    echo "  seen:    $seen"
    [[ $seen == "$2" ]] || changed "it was $2"
}

program() {
    cat <<'END'
fn main() {
    let text = std::io::read_to_string(std::io::stdin()).unwrap();
    let calendar = calcard::icalendar::ICalendar::parse(&text).unwrap();
    print!("{}", calendar.to_string().replace('\r', ""));
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
