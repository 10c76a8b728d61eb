"""Durable before answered: the system calls show, for each message, the sync that covers it before the write of its 250."""
import concurrent.futures
import os
import re
import signal
import subprocess

from blackbox.gateway import KEY
from blackbox.machine import PATIENCE, Failure, end, program, wait_for
from blackbox.smtp import Smtp
from ledger import SENDER, mail
from scene import scene

ONE_BY_ONE, CLIENTS, EACH = 20, 8, 10
CALLS = "fsync,fdatasync,sync_file_range,msync,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg"
ENTRY = re.compile(r"^(\d+)\s+[\d.]+ (\w+)\((?:\d+<(.*?)>)?(.*)$")
RESUMED = re.compile(r"^(\d+)\s+[\d.]+ <\.\.\. (\w+) resumed>.*= (-?\d+)")
RESULT = re.compile(r"\)\s+= (-?\d+)[^=]*$")
QUEUED = re.compile(r"250 2\.0\.0 Ok: queued as (\w{26})")
MARK = re.compile(r"(?:alone|group\d)-\d{3}-mark")


def synced_before_answered(store, _times, _seed):
    strace = [program("strace"), "-f", "-ttt", "-y", "-s", "70000", "-e", f"trace={CALLS}", "-e", "signal=none"]
    # Delivery is off, so that whatever is written to the book is the accepting of a message.
    with scene("trace", store, {"roles": ["smtp", "http"]}) as at:
        files = [at.folder / "gateway.trace"]
        at.gateway.wrapper = [*strace, "-o", str(files[0]), "--"]
        watcher = watch(at, strace, files) if at.postgres else None
        at.gateway.start()
        one_by_one = hand_in(at.gateway.port, "alone", ONE_BY_ONE)
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            each = pool.map(lambda n: hand_in(at.gateway.port, f"group{n}", EACH), range(CLIENTS))
            together = {id: mark for marks in each for id, mark in marks.items()}
        end_traced(at.gateway)
        if watcher:
            end(watcher)
        return follow(events(files), one_by_one, together, sole_writer=not at.postgres)


def hand_in(port, name, count):
    """Sends so many messages one after another; the mark of each by the id it was answered with."""
    marks = {}
    with Smtp(port, KEY) as client:
        for number in range(count):
            mark = f"{name}-{number:03}-mark"
            marks[client.send(SENDER, ["rcpt@dest.test"], mail(mark, headers=[f"X-Again: {mark}"])).id] = mark
    return marks


def watch(at, strace, files):
    """PostgreSQL writes and syncs in its own processes: those that are there are traced, its own writer of the log among them, and each
    backend that is forked from then on."""
    files.append(at.folder / "postgres.trace")
    said, processes = at.folder / "strace.out", at.postgres.processes()
    with open(said, "w") as out:
        watcher = subprocess.Popen([*strace, "-o", str(files[1]), *(f"--attach={pid}" for pid in processes)],
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    # Of each it says that it is attached, or that it has ended meanwhile.
    wait_for(lambda: len(said.read_text().splitlines()) >= len(processes), PATIENCE, "strace to attach to PostgreSQL")
    return watcher


def end_traced(gateway):
    """The process under strace gets the signal: strace ends when it does."""
    children = f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children"
    for pid in open(children).read().split():
        os.kill(int(pid), signal.SIGTERM)
    gateway.process.wait(PATIENCE)


def events(files):
    """Every system call of all the traces in the order of time: (phase, thread, call, path, detail), where the detail is its text at
    its beginning and its result at its end."""
    lines = []
    for file in files:
        with open(file, errors="replace") as trace:
            lines += [(float(line.split(None, 2)[1]), line) for line in trace if line.split(None, 2)[1:]]
    begun = {}
    for _, line in sorted(lines, key=lambda pair: pair[0]):
        if entry := ENTRY.match(line):
            thread, call, path, text = entry.groups()
            begun[thread] = path
            yield "begin", thread, call, path, text
            if done := RESULT.search(line):
                yield "end", thread, call, path, int(done.group(1))
        elif done := RESUMED.match(line):
            thread, call, result = done.groups()
            yield "end", thread, call, begun.get(thread), int(result)


class Book:
    """What the calls so far have made durable. A sync covers what was written before it began."""

    def __init__(self):
        self.writes, self.synced = {}, {}  # by path: how many writes, and how many of them a finished sync covers
        self.begun, self.written = {}, {}  # by thread: the writes its sync covers; by mark: where, and the number of its last write
        self.syncs = 0

    def write(self, path, marks):
        self.writes[path] = self.writes.get(path, 0) + 1
        for mark in marks:
            if not self.covers(mark):
                self.written[mark] = path, self.writes[path]

    def begin_sync(self, thread, path):
        self.begun[thread] = self.writes.get(path, 0)

    def end_sync(self, thread, path, result):
        if result == 0:
            self.syncs += 1
            self.synced[path] = max(self.synced.get(path, 0), self.begun[thread])

    def covers(self, mark):
        path, write = self.written.get(mark, (None, 1))
        return self.synced.get(path, 0) >= write

    def clean(self, mark):
        """Whether nothing at all waits to be synced in the file that holds this message."""
        path, _ = self.written[mark]
        return self.synced[path] == self.writes[path]


def follow(calls, one_by_one, together, sole_writer):
    """Reads the calls in order and fails at the first answer whose message was not synced. With a `sole_writer` nothing at all may
    be unsynced in the book's file when a message that was sent alone is answered."""
    marks = {**one_by_one, **together}
    book, answered = Book(), set()
    for phase, thread, call, path, detail in calls:
        if call in ("fsync", "fdatasync"):
            book.begin_sync(thread, path) if phase == "begin" else book.end_sync(thread, path, detail)
        elif phase == "begin" and (answer := QUEUED.search(detail)):
            mark = marks[answer.group(1)]
            answered.add(mark)
            if not book.covers(mark):
                raise Failure(f"{mark} was answered before a sync covered it (written to {book.written.get(mark)})")
            if sole_writer and answer.group(1) in one_by_one and not book.clean(mark):
                raise Failure(f"{mark} was answered while its file held what was not synced")
        elif phase == "begin" and path and path.startswith("/"):
            book.write(path, MARK.findall(detail))
    if missing := set(marks.values()) - answered:
        raise Failure(f"the trace does not show the answers to {sorted(missing)[:5]}")
    books = sorted({path.rsplit("/", 1)[-1] for path, _ in book.written.values()})
    return f"{len(one_by_one)} messages one by one and {len(together)} at once, each synced before its 250 ({book.syncs} syncs, to {books})"
