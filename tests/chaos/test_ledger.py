"""The judge is judged: each rule catches what it is for. Run: python3 -m unittest discover tests/chaos"""
import sys
import unittest
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
from blackbox.smtp import stuff  # noqa: E402
from blackbox.tap import transactions  # noqa: E402
from ledger import FAIL, OK, UNKNOWN, judge  # noqa: E402


class Judge(unittest.TestCase):
    def wrong(self, fates, copies, damaged=(), **allowed):
        return judge(fates, Counter(copies), set(damaged), **allowed).wrong

    def test_what_is_right(self):
        self.assertEqual(self.wrong({"a": OK, "b": UNKNOWN, "c": UNKNOWN, "d": FAIL}, {"a": 1, "b": 1}), [])

    def test_nothing_sent_proves_nothing(self):
        self.assertEqual(len(self.wrong({"a": FAIL}, {})), 1)

    def test_lost(self):
        self.assertIn("lost", self.wrong({"a": OK, "b": OK}, {"a": 1})[0])

    def test_damaged(self):
        self.assertIn("damaged", self.wrong({"a": OK}, {"a": 1}, ["a"])[0])

    def test_refused_but_sent(self):
        self.assertIn("refused", self.wrong({"a": OK, "b": FAIL}, {"a": 1, "b": 1})[0])

    def test_duplicates(self):
        self.assertIn("1 duplicates", self.wrong({"a": OK}, {"a": 2})[0])
        self.assertEqual(self.wrong({"a": OK}, {"a": 2}, duplicates=1), [])

    def test_more_than_twice(self):
        self.assertIn("more than twice", self.wrong({"a": OK}, {"a": 3}, duplicates=2)[0])
        self.assertEqual(self.wrong({"a": OK}, {"a": 3}, duplicates=2, over_twice=1), [])


class Wire(unittest.TestCase):
    def test_dots_survive_the_way_out_and_back(self):
        for data in (b"", b".\r\n", b"a\r\n.\r\n..\r\n.b\r\n", b".a\r\n\r\n"):
            stream = b"EHLO x\r\nmail from:<a@x> BODY=8BITMIME\r\nRCPT TO: <b@y>\r\nDATA\r\n" + stuff(data) + b"QUIT\r\n"
            (found,) = transactions(stream)
            self.assertEqual((found.sender, found.recipients, found.data), ("a@x", ["b@y"], data))

    def test_chunks(self):
        (found,) = transactions(b"MAIL FROM:<>\r\nRCPT TO:<b@y>\r\nBDAT 3\r\nab\rBDAT 2 LAST\r\n\ncQUIT\r\n")
        self.assertEqual((found.sender, found.data), ("", b"ab\r\nc"))


if __name__ == "__main__":
    unittest.main()
