"""A client that writes line by line, as PHPMailer and Net::SMTP do, and how long a message takes it."""
import statistics
import time

from blackbox.smtp import Smtp

LINE = "a line of an ordinary mail, written to the socket by itself, sixty-four\r\n"
MESSAGE = [f"From: a@example.test\r\n", "To: b@dest.test\r\n", "Subject: line by line\r\n", "\r\n"] + [LINE] * 55


def milliseconds(port, key=None, messages=200):
    """The median of one message, from MAIL to the answer to its dot: one write a line, Nagle and delayed ACKs left as they come."""
    taken = []
    with Smtp(port, key, nodelay=False) as client:
        for _ in range(messages):
            start = time.perf_counter()
            client.expect("MAIL", client.command("MAIL FROM:<a@example.test>"), 250)
            client.expect("RCPT", client.command("RCPT TO:<b@dest.test>"), 250)
            client.expect("DATA", client.command("DATA"), 354)
            for line in MESSAGE:
                client.write(line.encode())
            client.expect("dot", client.command("."), 250)
            taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)
