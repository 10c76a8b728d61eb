"""The judges are judged: each catches what it is for. Run: python3 -m unittest discover tests/story"""
import base64
import email
import json
import socket
import struct
import sys
import unittest
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
import complaint  # noqa: E402
import told  # noqa: E402
from dead import between_attempts, lateness, percentile  # noqa: E402
from letter import Letter, token  # noqa: E402
from packets import Target, begun, strangers  # noqa: E402
from receiver import Receipt  # noqa: E402
from tokens import alterations  # noqa: E402
from verifiers import NPM, PYPI, SEED, altered, trials  # noqa: E402


def receipt(event="1", kind="email.delivered", at="2026-01-01T00:00:00.000Z", attempt="a", **data):
    body = {"id": event, "type": kind, "created_at": at, "as_of": at, "data": {"id": "m", "recipient": "r@x.test", "status": "delivered", **data}}
    headers = {"content-type": "application/json", "x-krafter-event": kind, "webhook-id": event, "x-krafter-webhook-id": attempt,
               "webhook-timestamp": "1767225601", "x-krafter-signature": "sha256=00"}
    return Receipt("all", 1767225601.5, headers, json.dumps(body).encode())


class Told(unittest.TestCase):
    def test_what_is_right(self):
        test = Receipt("all", 0, {}, b'{"id": "2", "type": "email.sent", "data": {"test": true}}')
        came = told.of_receipts([receipt(), receipt(attempt="b"), test])
        self.assertEqual(came, Counter({("m", "delivered", "r@x.test"): 1}))
        self.assertEqual(list(told.differences(came, came)), [])

    def test_too_few_and_too_many(self):
        one, two = told.of_receipts([receipt()]), told.of_receipts([receipt(), receipt("2")])
        self.assertIn("did not come", list(told.differences(two, one))[0])
        self.assertIn("does not tell of", list(told.differences(one, two))[0])

    def test_an_event_that_changed(self):
        self.assertEqual(list(told.alike([receipt(), receipt(attempt="b")])), [])
        self.assertIn("changed", list(told.alike([receipt(), receipt(status="bounced")]))[0])

    def test_headers(self):
        self.assertEqual(list(told.headers([receipt(), receipt(attempt="b")])), [])
        self.assertIn("not new", list(told.headers([receipt(), receipt()]))[0])
        for name in ("content-type", "x-krafter-event", "webhook-id", "webhook-timestamp"):
            bad = receipt()
            bad.headers[name] = "17"
            self.assertIn(name, list(told.headers([bad]))[0])

    def test_order(self):
        early, late = receipt("1", at="2026-01-01T00:00:00.000Z"), receipt("2", "email.complained", "2026-01-01T00:00:00.001Z", status="complained")
        for receipts in ([early, late], [late, early]):
            self.assertEqual(told.converged(receipts, {"id": "m", "status": "complained"}), [])
            self.assertIn("status", told.converged(receipts, {"id": "m", "status": "delivered"})[0])
        self.assertIn("nothing came", told.converged([], {"id": "m"})[0])


class Time(unittest.TestCase):
    def test_the_first_receipt_counts(self):
        self.assertEqual(lateness([receipt(), receipt(attempt="b")]), [1.5])

    def test_a_second_attempt(self):
        later = Receipt("all", 1767225619.5, {}, receipt().body)
        self.assertIsNone(between_attempts([receipt(), receipt("2")]))
        self.assertEqual(between_attempts([receipt(), receipt("2"), later]), 18)

    def test_percentiles(self):
        self.assertEqual([percentile(range(1, 101), share) for share in (50, 99, 100)], [50, 99, 100])
        self.assertEqual(percentile([7], 99), 7)


class Signatures(unittest.TestCase):
    def test_every_change_is_one(self):
        body = "{\"ü\": 1}".encode()
        for place in range(len(body)):
            changed = [octets for _, octets in altered(body, place)]
            self.assertEqual(len({body, *changed}), 4)
            for octets in changed:
                octets.decode()

    def test_what_is_to_be_held(self):
        made = list(trials(receipt(), {"a": "x-krafter-signature"}, ["b"], 5))
        self.assertEqual(made[0].held_by, (SEED, NPM, PYPI))
        self.assertEqual([t.held_by for t in made[1:4]], [()] * 3)
        self.assertEqual([t.held_by for t in made[4:6]], [(SEED,)] * 2)
        self.assertEqual((made[6].secret, made[6].held_by, len(made)), ("b", (), 7))


class Tokens(unittest.TestCase):
    def test_each_bit_once(self):
        written = base64.urlsafe_b64encode(bytes(range(35))).decode().rstrip("=")
        made = list(alterations(written, "/t/o/"))
        self.assertEqual(len(made), 35 * 8 + len(written) * 8)
        self.assertNotIn("/t/o/" + written, made)

    def test_the_last_of_a_path(self):
        self.assertEqual(token("http://a.test/t/c/AB-_"), ("AB-_", "http://a.test/t/c/"))


class Mail(unittest.TestCase):
    HTML = '<a href="http://g.test/t/c/X">a</a><a href="tel:1">b</a><img src="http://g.test/t/o/Y"><img src="cid:1">'
    OCTETS = ("List-Unsubscribe: <http://g.test/u/Z>\r\nDKIM-Signature: v=1; a=x; h=From:\r\n Subject; b=y\r\nMIME-Version: 1.0\r\n"
              f"Content-Type: text/html\r\n\r\n{HTML}\r\n").encode()

    def test_what_a_reader_finds(self):
        letter = Letter(self.OCTETS)
        self.assertEqual((letter.pixels, letter.clicks), (["http://g.test/t/o/Y"], ["http://g.test/t/c/X"]))
        self.assertEqual((letter.unsubscribe, letter.signed_fields()), ("http://g.test/u/Z", [["from", "subject"]]))

    def test_a_complaint_is_a_report(self):
        report = email.message_from_bytes(complaint.report("b@x.test", self.OCTETS))
        self.assertEqual([part.get_content_type() for part in report.get_payload()], ["text/plain", "message/feedback-report", "message/rfc822"])
        self.assertEqual(report.get_content_type(), "multipart/report")


def frame(protocol, flags, version=4, address="10.0.0.1", port=443):
    segment = struct.pack(">HHIIBBH", 5000, port, 0, 0, 0x50, flags, 0)
    if version == 4:
        return b"\0" * 12 + b"\x08\0" + bytes([0x45]) + b"\0" * 8 + bytes([protocol]) + b"\0" * 6 + socket.inet_aton(address) + segment
    return b"\0" * 12 + b"\x86\xdd" + b"\x60" + b"\0" * 5 + bytes([protocol]) + b"\0" * 17 + socket.inet_pton(socket.AF_INET6, address) + segment


class Seen(unittest.TestCase):
    def test_what_begins_is_seen(self):
        self.assertEqual(begun(frame(6, 0x02)), Target("10.0.0.1", 443, 5000))
        self.assertEqual(begun(frame(6, 0x02, 6, "fd00::1")), Target("fd00::1", 443, 5000))
        self.assertEqual(begun(frame(17, 0)), Target("10.0.0.1", 443, 5000))
        self.assertIsNone(begun(frame(6, 0x12)))
        self.assertIsNone(begun(frame(1, 0x02)))

    def test_who_is_a_stranger(self):
        seen = [Target("127.0.0.1", 80, 5000), Target("10.0.0.1", 80, 5000), Target("127.0.0.1", 5000, 53), Target("127.0.0.1", 53, 5000)]
        self.assertEqual(strangers(seen, {("127.0.0.1", 53)}), [("10.0.0.1", 80), ("127.0.0.1", 80)])


if __name__ == "__main__":
    unittest.main()
