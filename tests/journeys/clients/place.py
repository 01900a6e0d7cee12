"""What all scripts share: where the server is, how mail gets there, how a check fails.

The journey gives it as JSON in the first argument: ports, certificate, login, password, address.
"""

import imaplib
import json
import smtplib
import ssl
import sys

PLACE = json.loads(sys.argv[1])
TRUST = ssl.create_default_context(cafile=PLACE["ca"])
# What the policy `excerpt` hides of the demo's messages, wherever it stands in them.
HIDDEN = [
    "kind regards",  # below the excerpt
    "4111 1111",  # a card, redacted
    "DE89 3704",  # an account, redacted
    "739 204",  # a sign-in code, in a message of a machine
    "registry.example/login",
    "track.riverside-clinic",  # in HTML that is turned into text
    "results-5512",  # a file's name
    "%PDF",  # its content, decoded
    "JVBERi0",  # and encoded
    "VCALENDAR",  # an invitation
    "Almeida Studio//EN",
    "weekly.gazette",  # List-Id
    "_riverside_1",  # a boundary
]
# Of what it shows, with the number of the message.
SHOWN = [
    ("prepared to pay", 1),
    ("PREPARED TO PAY", 1),
    ("was approved", 2),
    ("ferritin", 4),
    ("café", 5),
    ("bollards", 6),
]


def connect():
    """A session over TLS, logged in."""
    imap = imaplib.IMAP4_SSL("localhost", PLACE["imaps"], ssl_context=TRUST, timeout=60)
    imap.login(PLACE["login"], PLACE["password"])
    return imap


def deliver(subject, body="One line.\r\n"):
    """A message from outside, by SMTP or, where the journey has a port for it, by LMTP."""
    mail = f"From: Pen Friend <pen@elsewhere.example>\r\nTo: {PLACE['address']}\r\nSubject: {subject}\r\n"
    mail += f"Date: Mon, 09 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{subject.split()[0]}@elsewhere.example>\r\n\r\n{body}"
    kind, port = (smtplib.LMTP, PLACE["lmtp"]) if PLACE.get("lmtp") else (smtplib.SMTP, PLACE["smtp"])
    with kind("127.0.0.1", port) as sender:
        sender.sendmail("pen@elsewhere.example", [PLACE["address"]], mail)


def same(found, expected, what):
    """Fails with both sides if they differ."""
    assert found == expected, f"{what}: {found!r}, not {expected!r}"
