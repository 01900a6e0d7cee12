#!/usr/bin/env bash
# mbsync 1.4.4 (isync): no message in its copy has the octets that the server has; each gets a field X-TUID.
#
# Guess:   a mirror copies octets; only line ends differ in a Maildir. The field is for servers that do not tell the
#          new UID (no UIDPLUS), where the client has to find its upload again.
# Seen:    X-TUID with twelve letters goes into the header of every message it fetches, though a Maildir needs no
#          search, and of every message it uploads, though the server has UIDPLUS. It stays there.
# Matters: hashes, sizes and deduplication by octets differ between vault and copy, on every machine in another way;
#          an upload that a vault keeps "byte for byte" has a field that its writer did not write; a letter that
#          goes from the vault to a copy and back is another message. Compare such copies without this field.
#
# The server is Dovecot 2.3.19.1, run by mbsync through a pipe. Ends with 0 as described, 1 if it is otherwise, 2 if
# it cannot be run.

set -euo pipefail

readonly VERSION=1.4.4-5
readonly DOVECOT=1:2.3.19.1+dfsg1-2.1+deb12u7

main() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    debian "isync=$VERSION" "dovecot-core=$DOVECOT" "dovecot-imapd=$DOVECOT"
    dovecot
    settings

    message fetched | sed 's/$/\r/' >"$work/mail"
    { printf 'a APPEND INBOX {%d+}\r\n' "$(wc -c <"$work/mail")"; cat "$work/mail"; printf '\r\nb LOGOUT\r\n'; } |
        "$work/imap" >"$work/appended" 2>&1
    grep -q '^a OK .APPENDUID' "$work/appended" || absent "Dovecot: $(tail -n 2 "$work/appended")"
    sync
    message uploaded >"$work/copy/INBOX/cur/1.written.here:2,S"
    sync

    local down up
    down=$(diff <(message fetched) "$(stored "$work/copy" fetched)" || :)
    up=$(diff <(message uploaded) <(tr -d '\r' <"$(stored "$work/server/mail" uploaded)") || :)
    echo "isync $VERSION with Dovecot $DOVECOT, which has UIDPLUS: one message fetched, one uploaded"
    echo "  guessed: both as they were"
    echo "  seen:    fetched: ${down//$'\n'/ }; uploaded: ${up//$'\n'/ }"
    [[ $down =~ ^[0-9a-z]+$'\n'"> X-TUID: "[A-Za-z0-9+/]{12}$ ]] || changed "fetched: $down"
    [[ $up =~ ^[0-9a-z]+$'\n'"> X-TUID: "[A-Za-z0-9+/]{12}$ ]] || changed "uploaded: $up"
}

message() {
    printf '%s\n' "From: ann@example.org" "Message-ID: <$1@example.org>" "Subject: $1" "" "One line."
}

# The file below the folder that holds the message.
stored() {
    grep -rl --include='*.*' "^Subject: $2" "$1" | head -n 1 | grep . || absent "the message is not in $1"
}

settings() {
    mkdir -p "$work/copy"
    cat >"$work/mbsyncrc" <<END
IMAPStore far
Tunnel "$work/imap 2>/dev/null"

MaildirStore near
Inbox $work/copy/INBOX

Channel view
Far :far:
Near :near:
Sync All
SyncState *
END
}

sync() {
    HOME=$work timeout 60 "$work/root/usr/bin/mbsync" -c "$work/mbsyncrc" view >"$work/log" 2>&1 ||
        absent "mbsync: $(tail -n 2 "$work/log")"
}

# Makes "$work/imap": a session of Dovecot that is logged in, on standard input and output.
dovecot() {
    local user
    user=$(id -un)
    # Dovecot opens no mail as root.
    ((EUID)) || user=nobody
    mkdir -p "$work/server"
    cat >"$work/server.conf" <<END
base_dir = $work/server
mail_location = maildir:$work/server/mail
mail_uid = $user
mail_gid = $(id -gn "$user")
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = $user
default_internal_group = $(id -gn "$user")
default_login_user = $user
protocols = imap
ssl = no
END
    cat >"$work/imap" <<END
#!/bin/sh
exec $( ((EUID)) || echo "setpriv --reuid nobody --regid $(id -gn nobody) --clear-groups") \\
    env -i USER=$user HOME=$work/server LD_LIBRARY_PATH=$work/root/usr/lib/dovecot \\
    $work/root/usr/bin/doveconf -c $work/server.conf -f service=imap -m imap -e $work/root/usr/lib/dovecot/imap
END
    chmod +x "$work/imap"
    chmod 755 "$work"
    ((EUID)) || chown -R nobody "$work/server"
}

# Unpacks packages of Debian 12 into the folder, without installing them.
debian() {
    (cd "$work" && apt-get -qq download "$@" >/dev/null 2>&1) || absent "no such packages here: $*"
    local package
    for package in "$work"/*.deb; do dpkg -x "$package" "$work/root"; done
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
