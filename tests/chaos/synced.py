"""Durable before answered: the system calls show, for each message, the sync that covers it before the write of its 250."""
import os
import re
import signal
import subprocess

from blackbox.gateway import KEY
from blackbox.machine import Failure, end, program, wait_for
from blackbox.smtp import Smtp
from ledger import SENDER, mail
from scene import scene

MESSAGES = 20
CALLS = "fsync,fdatasync,sync_file_range,msync,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg"
ENTRY = re.compile(r"^(\d+)\s+[\d.]+ (\w+)\((?:\d+<(.*?)>)?(.*)$")
RESUMED = re.compile(r"^(\d+)\s+[\d.]+ <\.\.\. (\w+) resumed>.*= (-?\d+)")
RESULT = re.compile(r"\)\s+= (-?\d+)[^=]*$")
QUEUED = "250 2.0.0 Ok: queued as"


def synced_before_answered(store, _times, _seed):
    strace = [program("strace"), "-f", "-ttt", "-y", "-s", "70000", "-e", f"trace={CALLS}", "-e", "signal=none"]
    # Delivery is off, so that whatever is written to the book is the accepting of a message.
    with scene("trace", store, {"roles": ["smtp", "http"]}) as at:
        files = [at.folder / "gateway.trace"]
        at.gateway.wrapper = [*strace, "-o", str(files[0]), "--"]
        watcher = watch(at, strace, files) if at.postgres else None
        at.gateway.start()
        marks = [f"trace-{n:03}-mark" for n in range(MESSAGES)]
        with Smtp(at.gateway.port, KEY) as client:
            for mark in marks:
                client.send(SENDER, ["rcpt@dest.test"], mail(mark, headers=[f"X-Again: {mark}"]))
        end_traced(at.gateway)
        if watcher:
            end(watcher)
        return follow(events(files), marks, alone=not at.postgres)


def watch(at, strace, files):
    """PostgreSQL writes and syncs in its own processes: the server is traced too, and each backend it forks from then on."""
    files.append(at.folder / "postgres.trace")
    said = open(at.folder / "strace.out", "w+")
    watcher = subprocess.Popen([*strace, "-o", str(files[1]), "-p", str(at.postgres.pid)], stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    wait_for(lambda: "attached" in (at.folder / "strace.out").read_text(), 10, "strace to attach to PostgreSQL")
    return watcher


def end_traced(gateway):
    """The process under strace gets the signal: strace ends when it does."""
    children = f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children"
    for pid in open(children).read().split():
        os.kill(int(pid), signal.SIGTERM)
    gateway.process.wait(30)


def events(files):
    """Every system call of all the traces in the order of time: (call, path, text) at its beginning, (call, path, result) at its end."""
    lines = []
    for file in files:
        with open(file, errors="replace") as trace:
            lines += [(float(line.split(None, 2)[1]), line) for line in trace if line.split(None, 2)[1:]]
    begun = {}
    for _, line in sorted(lines, key=lambda pair: pair[0]):
        if entry := ENTRY.match(line):
            thread, call, path, text = entry.groups()
            begun[thread] = path
            yield "begin", call, path, text
            if done := RESULT.search(line):
                yield "end", call, path, int(done.group(1))
        elif done := RESUMED.match(line):
            yield "end", done.group(2), begun.get(done.group(1)), int(done.group(3))


def follow(calls, marks, alone):
    """Reads the calls in order and fails at the first answer whose message was not synced. `alone`: nothing else writes to the
    book's file, so that nothing at all may be unsynced there when a 250 leaves."""
    dirty, path_of, safe, answered, syncs = set(), {}, set(), 0, 0
    for phase, call, path, detail in calls:
        if call in ("fsync", "fdatasync") and phase == "end" and detail == 0:
            syncs += 1
            dirty.discard(path)
            safe |= {mark for mark, where in path_of.items() if where == path}
        elif phase != "begin" or call in ("fsync", "fdatasync"):
            continue
        elif QUEUED in detail:
            mark = marks[answered]
            answered += 1
            if mark not in safe:
                raise Failure(f"{mark} was answered before a sync covered it (written to {path_of.get(mark)})")
            if alone and path_of[mark] in dirty:
                raise Failure(f"{mark} was answered while {path_of[mark]} held what was not synced")
        elif path and path.startswith("/"):
            dirty.add(path)
            path_of.update({mark: path for mark in marks if mark in detail and mark not in safe})
    if answered != len(marks):
        raise Failure(f"the trace shows {answered} answers for {len(marks)} messages")
    return f"{answered} messages, each synced before its 250 ({syncs} syncs, to {sorted({p.rsplit('/', 1)[-1] for p in path_of.values()})})"
