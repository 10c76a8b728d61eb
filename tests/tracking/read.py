#!/usr/bin/env python3
"""Reads tracked messages with Python's own parsers, and compares them with what they were.

    tests/tracking/read.py FOLDER

FOLDER holds pairs: 000.eml, and 000.eml.sent, as it leaves. A reader must be shown the same text by both, and nothing may differ but the
links that are to be tracked and one picture. Tokens are sealed with `secret`, for one host.
"""
import base64
import email
import email.policy
import hashlib
import hmac
import html.parser
import sys
from pathlib import Path

BASE = "https://mail.house.test"
KEY = hmac.digest(b"secret", b"mail.house.test", hashlib.sha256)
UNSHOWN = {"script", "style", "title", "head", "noscript", "template"}


class Page(html.parser.HTMLParser):
    """What a page is made of, in its order, and the text that is shown of it."""

    def __init__(self, text):
        super().__init__(convert_charrefs=False)
        self.pieces, self.shown, self.inside = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.pieces.append(("start", tag, tuple(attrs)))
        if tag in UNSHOWN:
            self.inside.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.pieces.append(("start", tag, tuple(attrs)))

    def handle_endtag(self, tag):
        self.pieces.append(("end", tag))
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        self.pieces.append(("text", data))
        if not self.inside:
            self.shown.append(data)

    def handle_entityref(self, name):
        self.handle_data(f"&{name};")

    def handle_charref(self, name):
        self.handle_data(f"&#{name};")

    def handle_comment(self, data):
        self.pieces.append(("comment", data))

    def handle_decl(self, decl):
        self.pieces.append(("declaration", decl))

    def unknown_decl(self, data):
        self.pieces.append(("declaration", data))

    def handle_pi(self, data):
        self.pieces.append(("instruction", data))


def said(link, page):
    """What a link of ours says: its letter, and what follows the recipient."""
    token = link.removeprefix(f"{BASE}{page}/")
    octets = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    if not hmac.compare_digest(hmac.digest(KEY, octets[:-16], hashlib.sha256)[:16], octets[-16:]):
        raise ValueError(f"{link} is not sealed")
    return octets[:1].decode(), octets[19:-16].decode()


def target(href):
    """Where a browser goes (WHATWG URL)."""
    text = href.strip("".join(map(chr, range(33))))
    return "".join(c for c in text if c not in "\t\r\n")


def is_picture(piece):
    return piece[:2] == ("start", "img") and (dict(piece[2]).get("src") or "").startswith(f"{BASE}/t/o/")


def is_to_track(tag, name, value, attrs):
    first = next(v for n, v in attrs if n == "href") if name == "href" else None
    return tag in ("a", "area") and name == "href" and value is not None and "t.test" in value and value is first


def same_piece(before, after):
    """What is wrong with one piece of a page."""
    if before == after:
        tracked = before[0] == "start" and any(is_to_track(before[1], n, v, before[2]) for n, v in before[2])
        return f"{before} is not tracked" if tracked else None
    if before[:2] != after[:2] or before[0] != "start" or len(before[2]) != len(after[2]):
        return f"{before} became {after}"
    for (name, value), (other, anew) in zip(before[2], after[2]):
        if (name, value) == (other, anew):
            continue
        if name != other or not is_to_track(before[1], name, value, before[2]) or not anew.startswith(f"{BASE}/t/c/"):
            return f"{name}={value!r} became {other}={anew!r}"
        if said(anew, "/t/c") != ("c", target(value)):
            return f"{value!r} leads to {said(anew, '/t/c')}"
    return None


def joined(pieces):
    """Text that a picture stood in the middle of is one piece again; the last line end of a part is nobody's."""
    out = []
    for piece in pieces:
        if out and piece[0] == out[-1][0] == "text":
            out[-1] = ("text", out[-1][1] + piece[1])
        else:
            out.append(piece)
    if out and out[-1][0] == "text":
        text = out.pop()[1].rstrip()
        out += [("text", text)] if text else []
    return out


def page_faults(before, after):
    before, after = Page(before), Page(after)
    pictures = [piece for piece in after.pieces if is_picture(piece)]
    rest = [piece for piece in after.pieces if not is_picture(piece)]
    wrong = [f"{len(pictures)} pictures"] if len(pictures) > 1 else []
    wrong += [f"the picture says {said(dict(p[2])['src'], '/t/o')}" for p in pictures if said(dict(p[2])["src"], "/t/o") != ("o", "")]
    if "".join(before.shown).split() != "".join(after.shown).split():
        wrong.append(f"the text was {''.join(before.shown)!r}, and is {''.join(after.shown)!r}")
    one, two = joined(before.pieces), joined(rest)
    if len(one) != len(two):
        return [*wrong, f"{len(one)} pieces became {len(two)}"], pictures
    return [*wrong, *filter(None, map(same_piece, one, two))], pictures


def parts(octets):
    message = email.message_from_bytes(octets, policy=email.policy.compat32)
    return [(one, one.get_payload(decode=True) if not one.is_multipart() else None) for one in message.walk()]


def is_page(part):
    return part.get_content_type() == "text/html" and part.get_content_disposition() is None


def faults(before, after):
    """What is wrong with a message, and how many links of ours it has."""
    one, two = parts(before), parts(after)
    if [p.get_content_type() for p, _ in one] != [p.get_content_type() for p, _ in two]:
        return ["the parts are others"], 0
    wrong, ours = [], 0
    for (old, content), (new, anew) in zip(one, two):
        kept = [(n, v) for n, v in old.items() if n != "Content-Transfer-Encoding"]
        if kept != [(n, v) for n, v in new.items() if n != "Content-Transfer-Encoding"]:
            wrong.append(f"fields {old.items()} became {new.items()}")
        if is_page(old) and content != anew:
            charset = old.get_content_charset() or "utf-8"
            found, pictures = page_faults(content.decode(charset, "surrogateescape"), anew.decode(charset, "surrogateescape"))
            wrong += found
            ours += len(pictures) + anew.count(f"{BASE}/t/c/".encode())
        elif content != anew:
            wrong.append(f"a {old.get_content_type()} became another")
        elif is_page(old) and b"t.test" in (content or b""):
            wrong.append("a page with links has none of ours")
    if any(len(line) > 998 for line in after.split(b"\r\n")):
        wrong.append("a line is too long")
    return wrong, ours


def main():
    failed, links, changed = 0, 0, 0
    mails = sorted(Path(sys.argv[1]).glob("*.eml"))
    for mail in mails:
        before, after = mail.read_bytes(), mail.with_name(mail.name + ".sent").read_bytes()
        if mail.stem.endswith("-stays"):
            wrong, ours = [] if before == after else ["it did not stay as it was"], 0
        else:
            wrong, ours = faults(before, after)
        links, changed, failed = links + ours, changed + (before != after), failed + bool(wrong)
        for fault in wrong[:5]:
            print(f"{mail.name}: {fault}"[:1000])
    print(f"{len(mails)} messages, {changed} of them changed, {links} links of ours")
    sys.exit(1 if failed or changed * 2 < len(mails) or links < len(mails) else 0)


main()
