"""Clients that hand mail in, each mail until it is acknowledged."""
import email.utils
import queue
import threading
import time
from dataclasses import dataclass

from .gateway import KEY
from .machine import PATIENCE, Failure
from .smtp import Smtp

SENDER = "news@sender.test"
LINE = "An ordinary line of text, to fill it up.\r\n"


@dataclass(frozen=True)
class Mail:
    mark: str
    recipients: tuple
    stream: str = "transactional"

    def octets(self):
        head = [f"From: {SENDER}", "To: undisclosed-recipients:;", f"Subject: {self.mark}", f"Date: {email.utils.formatdate()}",
                f"Message-ID: <{self.mark}@sender.test>", f"X-Mark: {self.mark}", f"X-Krafter-Stream: {self.stream}"]
        return ("\r\n".join(head) + "\r\n\r\n" + LINE * 10).encode()

    def copies(self):
        return {(self.mark, recipient) for recipient in self.recipients}


def copies(mails):
    """Whom each mail is to reach."""
    return set().union(*(mail.copies() for mail in mails))


class Post:
    """Hands mails in by some clients at once. One whose connection breaks repeats its mail, the same octets: it is entered once."""

    def __init__(self, port, mails, clients=8, per_second=None, key=KEY):
        self.port, self.key, self.ids, self.handed_in_at = port, key, {}, {}
        self.every, self.began = (1 / per_second if per_second else 0), time.monotonic()
        self.waiting = queue.SimpleQueue()
        for number, mail in enumerate(mails):
            self.waiting.put((number, mail))
        self.wrong, self.over = [], threading.Event()
        self.threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(60)

    def finish(self, seconds=PATIENCE):
        """Until all have been acknowledged."""
        deadline = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0, deadline - time.monotonic()))
        if self.wrong:
            raise self.wrong[0]
        if any(thread.is_alive() for thread in self.threads):
            raise Failure(f"{self.waiting.qsize()} mails are not handed in after {seconds:.0f} s")
        return self

    def _client(self):
        smtp = None
        try:
            while not self.over.is_set():
                try:
                    number, mail = self.waiting.get_nowait()
                except queue.Empty:
                    break
                time.sleep(max(0, self.began + number * self.every - time.monotonic()))
                smtp = self._hand_in(smtp, mail)
        except Exception as error:  # it is the case that has to hear of it
            self.wrong.append(error)
        if smtp:
            smtp.close()

    def _hand_in(self, smtp, mail):
        octets = mail.octets()
        while not self.over.is_set():
            try:
                smtp = smtp or Smtp(self.port, self.key)
                self.handed_in_at.setdefault(mail.mark, time.monotonic())
                self.ids[mail.mark] = smtp.send(SENDER, mail.recipients, octets).id
                return smtp
            except OSError:
                if smtp:
                    smtp.close()
                smtp = None
                time.sleep(0.05)
        return smtp


def hand_in(port, *mails, key=KEY):
    """One after another; their ids."""
    with Smtp(port, key) as smtp:
        return [smtp.send(SENDER, mail.recipients, mail.octets()).id for mail in mails]
