"""Mail as its reader has it before him, and what he does with it: looks at it, clicks, leaves."""
import email
import email.policy
import re
import urllib.parse
from html.parser import HTMLParser

from blackbox.machine import Failure
from blackbox.rest import Api

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
OPEN, CLICK, UNSUBSCRIBE = "/t/o/", "/t/c/", "/u/"


class Elements(HTMLParser):
    """Where links lead, and where pictures come from."""

    def __init__(self, html):
        super().__init__()
        self.links, self.pictures = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "a":
            self.links.append(found.get("href"))
        elif tag == "img":
            self.pictures.append(found.get("src"))


class Letter:
    def __init__(self, octets):
        self.octets, self.mail = octets, email.message_from_bytes(octets, policy=email.policy.default)
        html = self.mail.get_body(("html",))
        found = Elements(html.get_content() if html else "")
        self.pixels = [url for url in found.pictures if OPEN in url]
        self.clicks = [url for url in found.links if CLICK in url]
        self.links = found.links

    @property
    def unsubscribe(self):
        """The URL of its List-Unsubscribe."""
        if not (found := re.search(r"<(https?:[^>]*)>", str(self.mail["List-Unsubscribe"]))):
            raise Failure(f"List-Unsubscribe is {self.mail['List-Unsubscribe']}")
        return found.group(1)

    def signed_fields(self):
        """The names under each of its DKIM signatures, in lower case."""
        signatures = [re.sub(r"\s", "", str(value)) for value in self.mail.get_all("DKIM-Signature", [])]
        return [re.search(r";h=([^;]*)", signature).group(1).lower().split(":") for signature in signatures]


def token(url):
    """The last part of a link, and what stands before it."""
    before, _, last = url.rpartition("/")
    return last, before + "/"


class Visitor:
    """Somebody at a browser. The gateway is asked whatever host a link names, as the DNS has it that way."""

    def __init__(self, gateway, agent=BROWSER):
        self.api, self.agent = Api(gateway.http, None, base=""), agent

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.api.connection.close()

    def visit(self, url, method="GET", form=None, **headers):
        parts = urllib.parse.urlsplit(url)
        sent = {"Authorization": None, "Host": parts.netloc, "User-Agent": self.agent, **headers}
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return self.api.ask(method, path, form, sent)

    def unsubscribe(self, letter):
        """One click, as a mailbox provider does it for its user (RFC 8058 section 3.2)."""
        return self.visit(letter.unsubscribe, "POST", b"List-Unsubscribe=One-Click")
