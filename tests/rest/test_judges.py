"""The judges are judged: each catches what it is for. Run: python3 -m unittest discover tests/rest"""
import sys
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
from blackbox.rest import Answer  # noqa: E402
from carried import Elements, harmful  # noqa: E402
from foreign import seen  # noqa: E402
from strings import carried, names  # noqa: E402

HEAD = "Received: a\r\nReceived: b\r\nFrom: Ann <ann@example.test>\r\nSubject: {}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"


def mail(subject="Hello", more=""):
    return (HEAD.format(subject) + more + "\r\ntext\r\n").encode()


class Carried(unittest.TestCase):
    def test_what_is_right(self):
        self.assertIsNone(carried(mail(), "subject", "Hello"))
        self.assertIsNone(carried(mail("=?utf-8?q?a=E2=80=A8b?="), "subject", "a\u2028b"))

    def test_a_header_too_many(self):
        self.assertIn("hidden", carried(mail("a\r\nBcc: x@y.test"), "subject", "a"))
        self.assertIn("twice", carried(mail(more="Subject: b\r\n"), "subject", "Hello"))

    def test_another_value(self):
        self.assertIn("reads back", carried(mail("Hell"), "subject", "Hello"))
        self.assertIn("reads back", carried(mail("=?utf-8?q?a=0D=0Ab?="), "subject", "=?utf-8?q?a=0D=0Ab?="))

    def test_a_line_that_no_mail_may_have(self):
        for bad in ("a\nb", "a\rb", "a\0b", "a" * 999):
            self.assertIsNotNone(carried(mail(more=f"X-A: {bad}\r\n"), "text", "text"), bad[:5])


class Names(unittest.TestCase):
    def test_a_refusal_names_the_field(self):
        def refusal(octets):
            return Answer(422, (), octets)
        self.assertTrue(names(refusal(b'{"error": "x", "details": {"attachments[0].filename": ["y"]}}'), "attachments.0.filename"))
        self.assertTrue(names(refusal(b'{"error": "x", "code": "forbidden_header"}'), "headers name"))
        self.assertFalse(names(refusal(b'{"error": "x", "details": {"to": ["y"]}}'), "from name"))
        self.assertFalse(names(refusal(b'{"error": "x"}'), "from"))


class Pages(unittest.TestCase):
    def test_markup_of_a_sender(self):
        def bad(page):
            return any(harmful(*element) for element in Elements(page).found)
        for page in ("<script>alert(1)</script>", "<a onclick=x>", "<a href=' JavaScript:x'>", "<meta http-equiv=refresh>", "<svg/onload=x>", "<img src=x>"):
            self.assertTrue(bad(page), page)
        self.assertFalse(bad("&lt;script&gt;<a href='/messages/1'>x</a><img src='data:,'>"))


class Seen(unittest.TestCase):
    def test_what_passes_is_left_out_and_nothing_else(self):
        def answer(name, asked):
            return Answer(404, (("date", name), ("x-a", "same")), f'{{"error": "no {asked}"}}'.encode())
        self.assertEqual(seen(answer("now", "one"), "one"), seen(answer("then", "two"), "two"))
        self.assertNotEqual(seen(Answer(404, (("x-a", "b"),), b""), "-"), seen(Answer(404, (("x-a", "c"),), b""), "-"))


if __name__ == "__main__":
    unittest.main()
