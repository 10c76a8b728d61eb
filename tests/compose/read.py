#!/usr/bin/env python3
"""Reads messages with Python's own parser, and compares what it finds with what they were made of.

    tests/compose/read.py FOLDER

FOLDER holds pairs: 000.eml, and 000.json with what must be found. Nothing that the parser calls a defect is let pass. `it/compose.rs` makes them.
"""
import base64
import email
import email.errors
import email.policy
import json
import sys
from pathlib import Path


def people(field):
    return [[one.display_name, one.addr_spec] for one in field.addresses] if field else []


def unspaced(people):
    """Without blanks in names: this parser puts one between the encoded words of a name, where RFC 2047 section 6.2 has none."""
    return [["".join(name.split()), address] for name, address in people]


def text(part):
    return part.get_payload(decode=True).decode(part.get_content_charset()).replace("\r\n", "\n") if part else None


def file(part):
    identity = part["content-id"]
    return {
        "name": part.get_filename(""),
        "kind": part.get_content_type(),
        "content": base64.b64encode(part.get_payload(decode=True)).decode(),
        "id": str(identity).strip().strip("<>") if identity else None,
        "inline": part.get_content_disposition() == "inline",
    }


def found(raw):
    # Addresses beyond ASCII make the fields UTF-8 (RFC 6532), which this parser takes as text only.
    message = email.message_from_string(raw.decode(), policy=email.policy.default)
    parts = list(message.walk())
    defects = [d for part in parts for d in part.defects + [d for field in part.values() for d in getattr(field, "defects", [])]]
    # RFC 6531 allows what this is about.
    defects = [d for d in defects if not isinstance(d, email.errors.NonASCIILocalPartDefect)]
    bodies = [part for part in parts if not part.is_multipart() and part.get_content_disposition() is None]
    body = {part.get_content_type(): part for part in bodies}
    return {
        "from": people(message["from"]),
        "to": people(message["to"]),
        "cc": people(message["cc"]),
        "reply_to": people(message["reply-to"]),
        "subject": str(message["subject"]),
        "text": text(body.get("text/plain")),
        "html": text(body.get("text/html")),
        "files": [file(part) for part in parts if part.get_content_disposition()],
        # It keeps the blank of a fold right behind the name.
        "headers": [[name, str(value).strip()] for name, value in message.items() if name.startswith("X-Value-")],
    }, defects


def main():
    wrong = 0
    for mail in sorted(Path(sys.argv[1]).glob("*.eml")):
        expected = json.loads(mail.with_suffix(".json").read_text())
        seen, defects = found(mail.read_bytes())
        for name in ("from", "to", "cc", "reply_to"):
            seen[name], expected[name] = unspaced(seen[name]), unspaced(expected[name])
        faults = [f"{name}: {seen[name]!r}, not {expected[name]!r}" for name in expected if seen[name] != expected[name]]
        faults += [f"defect: {d}" for d in defects]
        wrong += len(faults)
        for fault in faults:
            print(f"{mail.name}: {fault}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
