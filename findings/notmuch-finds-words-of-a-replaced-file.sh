#!/usr/bin/env bash
# notmuch 0.37: after a file was replaced by another with the same Message-ID, the words of the old one still find it.
#
# Guess:   "notmuch new" takes the index to what is on disk. It sees that one file is gone and one has come.
# Seen:    it says "1 file rename" and adds the new words to the old ones. Text, sender and subject of the file that is
#          gone go on finding the message, whose only file holds none of them; it shows the new file. The same with
#          two files of which one is removed. "notmuch reindex" ends it.
# Matters: a message before and after a policy was tightened has one Message-ID, if the policy shows it, and so have
#          its views in two accounts. Whoever narrows what a laptop may hold, and sees the old files gone, still has
#          every old word in the index. After a change of policy: notmuch reindex '*'.
#
# Ends with 0 as described, 1 if it is otherwise, 2 if it cannot be run.

set -euo pipefail

readonly VERSION=0.37-1+b1

main() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    debian "notmuch=$VERSION" "libnotmuch5=$VERSION" libxapian30 libtalloc2 libgmime-3.0-0 libgpgme11 libsexp1 \
        libassuan0 libidn2-0 libunistring2 libglib2.0-0
    mkdir -p "$work"/mail/{open,masked}/{cur,new,tmp}
    printf '[database]\npath=%s/mail\n[user]\nprimary_email=ben@example.org\n' "$work" >"$work/settings"
    message 'Ann <ann@firm.example>' 'Contract' 'The price is fortythousand.' >"$work/mail/open/cur/1.open:2,S"
    query new >/dev/null
    message 'token@vault.example' 'Sealed message' 'Open it in the vault.' >"$work/mail/masked/cur/2.masked:2,S"
    rm "$work/mail/open/cur/1.open:2,S"
    query new >/dev/null
    local found shown reindexed
    found=$(finds)
    shown=$(query show --format=raw id:contract@example.org | tail -n 1)
    query reindex '*' >/dev/null
    reindexed=$(finds)

    echo "notmuch $VERSION, a file replaced by another with the same Message-ID"
    echo "  guessed: found by the words that are left: text 0, sender 0, subject 0"
    echo "  seen:    $found; what it shows: $shown"
    echo "           after notmuch reindex: $reindexed"
    [[ $found == 'text 1, sender 1, subject 1' ]] || changed "after the removal: $found"
    [[ $shown == 'Open it in the vault.' ]] || changed "it shows: $shown"
    [[ $reindexed == 'text 0, sender 0, subject 0' ]] || changed "after reindex: $reindexed"
}

message() {
    printf '%s\n' "From: $1" "To: ben@example.org" "Subject: $2" "Message-ID: <contract@example.org>" \
        "Date: Mon, 30 Nov 2026 09:00:00 +0000" "" "$3"
}

# How many messages the words of the old file find.
finds() {
    echo "text $(query count fortythousand), sender $(query count from:ann), subject $(query count subject:contract)"
}

query() {
    HOME=$work LD_LIBRARY_PATH=$work/root/usr/lib/$(uname -m)-linux-gnu \
        "$work/root/usr/bin/notmuch" --config="$work/settings" "$@" 2>"$work/log" ||
        absent "notmuch: $(tail -n 1 "$work/log")"
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
