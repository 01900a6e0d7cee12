#!/usr/bin/env bash
# offlineimap3 of Debian 12: a signed message that verifies on the server does not in the copy.
#
# Guess:   a mirror writes what FETCH BODY[] gave it, line ends apart.
# Seen:    it takes the message apart and writes it again. "Content-Type:text/plain", valid without a blank, becomes
#          "Content-Type: text/plain", below multipart/signed too, whose content RFC 1847 §2.1 wants opaque to
#          everything on the way. openssl verifies the server's message and does not verify the copy.
# Matters: the vault hands out signed mail octet for octet and is blamed for a broken signature; the copy is no
#          evidence and no backup of what was signed. Take such mail from the vault, not from this mirror; and look at
#          a message in the vault before believing that somebody changed it.
#
# The server is Dovecot 2.3.19.1, run by offlineimap through a pipe. Ends with 0 as described, 1 if it is otherwise,
# 2 if it cannot be run.

set -euo pipefail

readonly VERSION=0.0~git20211018.e64c254+dfsg-2
readonly DOVECOT=1:2.3.19.1+dfsg1-2.1+deb12u7

main() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    debian "offlineimap3=$VERSION" python3-imaplib2 python3-distro "dovecot-core=$DOVECOT" "dovecot-imapd=$DOVECOT"
    dovecot
    settings

    signed >"$work/mail"
    verifies "$work/mail" || absent "openssl does not verify what it signed: $(<"$work/verified")"
    { printf 'a APPEND INBOX {%d+}\r\n' "$(wc -c <"$work/mail")"; cat "$work/mail"; printf '\r\nb LOGOUT\r\n'; } |
        "$work/imap" >"$work/appended" 2>&1
    grep -q '^a OK' "$work/appended" || absent "Dovecot: $(tail -n 2 "$work/appended")"
    sync

    local original copy differs
    original=$(find "$work/server/mail/cur" "$work/server/mail/new" -type f)
    copy=$(find "$work/copy/INBOX/cur" "$work/copy/INBOX/new" -type f)
    differs=$(diff <(tr -d '\r' <"$original") <(tr -d '\r' <"$copy") || :)
    echo "offlineimap3 $VERSION, a message signed by openssl"
    echo "  guessed: server: verifies; copy: verifies"
    echo "  seen:    server: $(word "$original"); copy: $(word "$copy")"
    echo "           what differs: ${differs//$'\n'/ }"
    verifies "$original" || absent "Dovecot changed the message"
    ! verifies "$copy" || changed "the copy verifies"
    [[ $differs == *'< Content-Type:text/plain'*'> Content-Type: text/plain'* ]] || changed "other lines differ"
}

signed() {
    command -v openssl >/dev/null || absent "no openssl"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ann.example -addext extendedKeyUsage=emailProtection \
        -keyout "$work/key" -out "$work/certificate" 2>/dev/null
    printf 'Content-Type:text/plain\r\n\r\nOne line.\r\n' |
        openssl cms -sign -signer "$work/certificate" -inkey "$work/key" -from ann@example.org -to ben@example.org \
            -subject signed | tr -d '\r' | sed 's/$/\r/'
}

verifies() {
    openssl cms -verify -CAfile "$work/certificate" -in "$1" -out "$work/text" 2>"$work/verified"
}

word() {
    if verifies "$1"; then echo 'verifies'; else echo 'does not verify'; fi
}

settings() {
    cat >"$work/settings" <<END
[general]
accounts = one
metadata = $work/state
ui = quiet

[Account one]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = $work/copy

[Repository far]
type = IMAP
preauthtunnel = $work/imap 2>/dev/null
readonly = True
END
}

sync() {
    command -v python3 >/dev/null || absent "no python3"
    HOME=$work PYTHONDONTWRITEBYTECODE=1 timeout 60 \
        env PYTHONPATH="$work/root/usr/lib/python3/dist-packages:$work/root/usr/share/offlineimap3" \
        python3 "$work/root/usr/share/offlineimap3/run" -c "$work/settings" >"$work/log" 2>&1 ||
        absent "offlineimap: $(tail -n 2 "$work/log")"
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
