#!/usr/bin/env bash
# mbsync 1.4.4 (isync): after a change of UIDVALIDITY it says "Recovered" and keeps the old texts for good.
#
# Guess:   another UIDVALIDITY means that nothing is known any more (RFC 9051 §2.3.1.1: old UIDs must not be combined
#          with the new value), so a mirror fetches all again, or refuses.
# Seen:    if the messages have the UIDs they had, and the same Message-IDs, mbsync takes them for the old ones, says
#          "Recovered from change of UIDVALIDITY", ends with 0, and asks for no text. What it has on disk is not what
#          the server has, now and after every later run. If a Message-ID differs it refuses, with status 1.
# Matters: UIDVALIDITY is the one word a server has for "other contents". A vault whose policy shows more, or less,
#          than before keeps Message-IDs and may well count UIDs from 1 again: the mirror then has the old view for
#          ever and reports success. Other UIDs make it refuse; one more is enough.
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

    mailbox 'placeholder' 1 2
    sync
    mailbox 'the whole text' 1 2
    sync
    local said=$status notice second third
    notice=$(grep -o 'Recovered from change of UIDVALIDITY' "$work/log" || :)
    second=$(texts)
    append 'the whole text' 3
    sync
    third=$(texts)
    echo "isync $VERSION, two messages; UIDVALIDITY and texts change, UIDs and Message-IDs do not"
    echo "  guessed: fetched anew, or refused with status 1"
    echo "  seen:    status $said, ${notice:-no recovery}"
    echo "           on disk: $second; after a third message: $third"
    [[ $said == 0 ]] || changed "status $said"
    [[ -n $notice ]] || changed "it did not say that it recovered"
    [[ $second == '2 placeholder' ]] || changed "on disk: $second"
    [[ $third == '2 placeholder,1 the whole text' ]] || changed "on disk later: $third"

    mailbox 'the whole text' 9 1 2 3
    sync
    echo "           the same Message-IDs, each UID one more: status $status, $(tail -n 1 "$work/log")"
    [[ $status == 1 ]] || changed "with other UIDs status $status"
}

# A new INBOX, so another UIDVALIDITY.
mailbox() {
    rm -rf "$work/server/mail"
    # It is the time in seconds at which the mailbox was made.
    sleep 1.1
    local text=$1 number
    for number in "${@:2}"; do append "$text" "$number"; done
}

append() {
    local lines=("From: ann@example.org" "Message-ID: <$2@example.org>" "Subject: $2" "" "Text: $1") mail
    mail=$(printf '%s\r\n' "${lines[@]}")$'\r\n'
    printf 'a APPEND INBOX {%d+}\r\n%s\r\nb LOGOUT\r\n' "${#mail}" "$mail" | "$work/imap" >"$work/appended" 2>&1
    grep -q '^a OK' "$work/appended" || absent "Dovecot: $(tail -n 2 "$work/appended")"
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
Sync Pull
SyncState *
END
}

sync() {
    status=0
    HOME=$work timeout 60 "$work/root/usr/bin/mbsync" -c "$work/mbsyncrc" view >"$work/log" 2>&1 || status=$?
    grep -q 'loading shared libraries' "$work/log" && absent "$(<"$work/log")"
    return 0
}

texts() {
    find "$work/copy/INBOX" -name '*,U=*' -exec cat {} + |
        sed -n 's/^Text: //p' | sort | uniq -c | sed 's/^ *//' | paste -sd ","
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
