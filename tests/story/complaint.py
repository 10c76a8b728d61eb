"""A reader's complaint, as a mailbox provider reports it (RFC 5965)."""
import email.utils

FEEDBACK = """Feedback-Type: abuse\r
User-Agent: Provider-FBL/1.0\r
Version: 1\r
Original-Mail-From: <{reverse_path}>\r
Arrival-Date: {date}\r
"""


def report(reverse_path, octets):
    """The message to whom the mail came from about that mail. Whose it was is left out, as most providers do."""
    date = email.utils.formatdate()
    parts = [("text/plain", b"This is a report of mail that a reader called spam.\r\n"),
             ("message/feedback-report", FEEDBACK.format(reverse_path=reverse_path, date=date).encode()),
             ("message/rfc822", octets)]
    head = ["From: complaints@people.test", f"To: {reverse_path}", "Subject: FW: complaint", f"Date: {date}", "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=feedback-report; boundary="part"']
    body = b"".join(b"--part\r\nContent-Type: %s\r\n\r\n%s\r\n" % (kind.encode(), content) for kind, content in parts)
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body + b"--part--\r\n"
