"""The imapclient package: what its users write, with what it must come to."""

import datetime

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from place import HIDDEN, PLACE, TRUST, deliver, same


def connect():
    client = IMAPClient("localhost", PLACE["imaps"], ssl_context=TRUST, timeout=60)
    client.login(PLACE["login"], PLACE["password"])
    return client


def doors():
    client = IMAPClient("localhost", PLACE["imap"], ssl=False, timeout=60)
    try:
        client.login(PLACE["login"], PLACE["password"])
        raise AssertionError("a login without TLS")
    except LoginError:
        pass
    client.starttls(TRUST)
    client.plain_login(PLACE["login"], PLACE["password"])
    client.logout()


def folders(client):
    found = {name: flags for flags, _, name in client.list_folders()}
    same(set(found) >= {"INBOX", "Sent", "Drafts", "Junk", "Trash", "Archive"}, True, "folders")
    for use in (b"\\Sent", b"\\Drafts", b"\\Junk", b"\\Trash", b"\\Archive"):
        same(client.find_special_folder(use), use.decode()[1:], "special use")
    name = "Büro/Akten & Fälle"
    client.create_folder(name)
    assert name in [folder for _, _, folder in client.list_folders()], "UTF-7 there and back"
    client.subscribe_folder(name)
    assert name in [folder for _, _, folder in client.list_sub_folders()], "subscriptions"
    client.unsubscribe_folder(name)
    client.rename_folder(name, "Büro/Neu")
    same(client.folder_exists("Büro/Neu"), True, "the new name")
    client.delete_folder("Büro/Neu")
    if client.folder_exists("Büro"):
        client.delete_folder("Büro")
    same(client.namespace().personal, (("", "/"),), "namespace")
    assert client.id_({"name": "journey"}), "ID"
    same(client.folder_status("INBOX", ["MESSAGES"])[b"MESSAGES"], 6, "STATUS")


def reading(client):
    same(client.enable("CONDSTORE"), [b"CONDSTORE"], "ENABLE")
    selected = client.select_folder("INBOX")
    same(selected[b"EXISTS"], 6, "EXISTS")
    uids = client.search()
    items = ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[]"]
    fetched = client.fetch(uids, items)
    first = fetched[uids[0]]
    envelope = first[b"ENVELOPE"]
    same(envelope.subject, b"Settlement in Lindqvist v. Northgate: our second offer", "subject")
    same((envelope.from_[0].mailbox, envelope.from_[0].host), (b"okafor", b"harbour-legal.example"), "sender")
    same(envelope.date.date(), datetime.date(2026, 11, 2), "date")
    for message in fetched.values():
        same(len(message[b"BODY[]"]), message[b"RFC822.SIZE"], "size")
        for word in HIDDEN:
            assert word.lower().encode() not in message[b"BODY[]"].lower(), word
            assert word.lower() not in repr(message[b"BODYSTRUCTURE"]).lower(), word
    # The package does not quote a %, and without quotes it is no string (RFC 9051 §9, atom).
    for word in (word for word in HIDDEN if "%" not in word):
        same(client.search(["TEXT", word], "UTF-8"), [], word)
    same(client.search(["TEXT", "bollards"]), [uids[5]], "TEXT")
    same(client.search(["SUBJECT", "Café"], "UTF-8"), [uids[4]], "a search in UTF-8")
    same(client.sort(["REVERSE DATE"]), uids[::-1], "SORT")
    if client.has_capability("THREAD=REFERENCES"):
        same(client.thread(), tuple((uid,) for uid in uids), "THREAD")
    client.unselect_folder()


def changing(client):
    client.select_folder("INBOX")
    uids = client.search()
    flags = client.add_flags(uids[:2], [b"\\Flagged", b"Evidence"])
    assert b"\\Flagged" in flags[uids[0]] and b"Evidence" in flags[uids[1]], flags
    same(client.search(["KEYWORD", "Evidence"]), uids[:2], "KEYWORD")
    client.remove_flags(uids[:2], [b"\\Flagged"])
    same(client.search("FLAGGED"), [], "FLAGGED")
    client.copy(uids[0], "Archive")
    client.move(uids[0], "Archive")
    same(client.search(), uids[1:], "INBOX after the move")
    client.select_folder("Archive")
    archived = client.search()
    same(len(archived), 2, "Archive")
    client.delete_messages(archived[0])
    client.expunge([archived[0]])
    client.move(archived[1], "INBOX")
    same(client.search(), [], "Archive, empty again")
    draft = b"Subject: by imapclient\r\n\r\nof the package\r\n"
    client.append("Drafts", draft, [b"\\Draft"], datetime.datetime(2026, 11, 9, 12, 0))
    client.select_folder("Drafts", readonly=True)
    [uid] = client.search(["SUBJECT", "imapclient"])
    same(client.fetch(uid, ["FLAGS"])[uid][b"FLAGS"] >= (b"\\Draft",), True, "flags of the draft")
    try:
        client.select_folder("Nowhere")
        raise AssertionError("a folder that is not there")
    except IMAPClientError:
        pass


def idling(client):
    client.select_folder("INBOX")
    client.idle()
    deliver("eighth message")
    said = []
    while not any(item[1:2] == (b"EXISTS",) for item in said):
        got = client.idle_check(timeout=60)
        assert got, f"nothing is told while idle: {said}"
        said += got
    client.idle_done()
    same(len(client.search(["SUBJECT", "eighth"])), 1, "the new message")
    assert client.get_quota_root("INBOX")[1] is not None, "quota"


def main():
    doors()
    client = connect()
    for chapter in (folders, reading, changing, idling):
        chapter(client)
    client.logout()
    print("imapclient is content")


if __name__ == "__main__":
    main()
