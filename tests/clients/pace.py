"""A client that writes line by line, as PHPMailer and Net::SMTP do, and how long a message takes it."""
import statistics
import time

from blackbox.smtp import Smtp

LINE = "a line of an ordinary mail, written to the socket by itself, sixty-four\r\n"
MESSAGE = ["From: a@example.test\r\n", "To: b@dest.test\r\n", "Subject: line by line\r\n", "\r\n"] + [LINE] * 55


def milliseconds(port, key=None, messages=200):
    """The median of one message, from MAIL to the answer to its dot: one write a line, Nagle and delayed ACKs left as they come."""
    with Smtp(port, key, nodelay=False) as client:
        return statistics.median(taken(client, MESSAGE) for _ in range(messages))


def beside_one_write(port, key=None, messages=200):
    """The same, and the median of the same message in one write: by turns, so that what else the machine does falls on both."""
    by_line, at_once = [], []
    with Smtp(port, key, nodelay=False) as client:
        for _ in range(messages):
            by_line.append(taken(client, MESSAGE))
            at_once.append(taken(client, ["".join(MESSAGE)]))
    return statistics.median(by_line), statistics.median(at_once)


def taken(client, writes):
    """Milliseconds that one message takes, its content in these writes."""
    start = time.perf_counter()
    client.expect("MAIL", client.command("MAIL FROM:<a@example.test>"), 250)
    client.expect("RCPT", client.command("RCPT TO:<b@dest.test>"), 250)
    client.expect("DATA", client.command("DATA"), 354)
    for text in writes:
        client.write(text.encode())
    client.expect("dot", client.command("."), 250)
    return (time.perf_counter() - start) * 1000
