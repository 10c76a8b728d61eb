"""The judge is judged: each rule catches what it is for. Run: python3 -m unittest discover tests/chaos"""
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
from blackbox.machine import Failure  # noqa: E402
from blackbox.smtp import stuff  # noqa: E402
from blackbox.tap import transactions  # noqa: E402
from ledger import FAIL, OK, UNKNOWN, judge  # noqa: E402
from synced import events, follow  # noqa: E402


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


class Synced(unittest.TestCase):
    """Traces as strace writes them, of one message written to a log by thread 1."""
    MARK, ID = "alone-000-mark", "A" * 26
    WRITE = '1 1.1 pwrite64(7</data/log>, "..alone-000-mark..", 8192, 0) = 8192'
    SYNC = "1 1.2 fdatasync(7</data/log>) = 0"
    ANSWER = f'1 1.3 sendto(9<socket:[5]>, "250 2.0.0 Ok: queued as {ID}", 51, 0, NULL, 0) = 51'

    def follow(self, *lines):
        with tempfile.NamedTemporaryFile("w+") as trace:
            trace.write("\n".join(lines) + "\n")
            trace.flush()
            return follow(events([trace.name]), {self.ID: self.MARK}, {}, sole_writer=True)

    def fails(self, *lines):
        with self.assertRaises(Failure):
            self.follow(*lines)

    def test_what_is_right(self):
        self.follow(self.WRITE, self.SYNC, self.ANSWER)

    def test_no_sync(self):
        self.fails(self.WRITE, self.ANSWER)

    def test_a_sync_that_failed(self):
        self.fails(self.WRITE, self.SYNC.replace("= 0", "= -1 EIO (Input/output error)"), self.ANSWER)

    def test_a_sync_that_came_too_late(self):
        self.fails(self.WRITE, self.ANSWER.replace("1.3", "1.15"), self.SYNC)

    def test_a_sync_of_another_file(self):
        self.fails(self.WRITE, self.SYNC.replace("/log", "/other"), self.ANSWER)

    def test_a_sync_that_began_before_the_write(self):
        self.fails("2 1.0 fdatasync(7</data/log> <unfinished ...>", self.WRITE, "2 1.2 <... fdatasync resumed>) = 0", self.ANSWER)

    def test_a_sync_that_is_interrupted_in_the_trace(self):
        self.follow(self.WRITE, "1 1.15 fdatasync(7</data/log> <unfinished ...>", "1 1.2 <... fdatasync resumed>) = 0", self.ANSWER)

    def test_a_commit_frame_after_the_sync(self):
        self.fails(self.WRITE, self.SYNC, '1 1.25 pwrite64(7</data/log>, "frame", 24, 8192) = 24', self.ANSWER)

    def test_an_answer_that_is_not_in_the_trace(self):
        self.fails(self.WRITE, self.SYNC)


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
