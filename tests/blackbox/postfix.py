"""An instance of Debian's Postfix with its own configuration, queue and data, beside any other on the machine."""
import os
import shutil
import subprocess
from pathlib import Path

from .machine import PATIENCE, Failure, Skip, free_port, listens, program, wait_for

MAIN = {
    "compatibility_level": "3.6",
    "command_directory": "/usr/sbin",
    "daemon_directory": "/usr/lib/postfix/sbin",
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "myhostname": "postfix.test",
    "mydestination": "",
    "local_recipient_maps": "",
    "alias_maps": "",
    "alias_database": "",
    "mynetworks": "127.0.0.0/8",
    "default_process_limit": "300",
    "message_size_limit": "100000000",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtp_dns_support_level": "disabled",
    "smtp_host_lookup": "native",
}
# What the distribution's master.cf starts that a relay has no use for.
UNUSED = {"local", "virtual", "lmtp", "maildrop", "uucp", "ifmail", "bsmtp", "scalemail-backend", "mailman"}


class Postfix:
    def __init__(self, folder, settings):
        if os.geteuid() != 0:
            raise Skip("Postfix starts only as root")
        program("postfix")
        self.folder = Path(folder) / "postfix"
        self.port = free_port()
        self.etc, self.queue, data = self.folder / "etc", self.folder / "queue", self.folder / "data"
        for made in (self.etc, self.queue, data):
            made.mkdir(parents=True)
        shutil.chown(data, "postfix")
        (self.etc / "dynamicmaps.cf").touch()
        (self.etc / "master.cf").write_text(self._master())
        own = {"queue_directory": self.queue, "data_directory": data,
               "maillog_file": self.folder / "log", "maillog_file_prefixes": self.folder}
        self._write({**MAIN, **own, **settings})

    def __enter__(self):
        # It reads /etc/postfix/main.cf besides its own, and installed without a configuration there is none.
        started = subprocess.run(["postfix", "-c", self.etc, "start"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if started.returncode:
            raise Failure(f"postfix start: {started.stderr.strip()[-400:]}")
        wait_for(lambda: listens(self.port), PATIENCE, "Postfix to listen")
        return self

    def __exit__(self, *_):
        subprocess.run(["postfix", "-c", self.etc, "stop"], stdin=subprocess.DEVNULL, capture_output=True)

    @property
    def sendmail(self):
        return ["sendmail", "-C", str(self.etc)]

    @property
    def pid(self):
        return int((self.queue / "pid/master.pid").read_text())

    def queued(self):
        """How many messages wait anywhere in the queue."""
        folders = ("maildrop", "incoming", "active", "deferred", "hold")
        return sum(len(files) for name in folders for _, _, files in os.walk(self.queue / name))

    def _write(self, settings):
        (self.etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))

    def _master(self):
        """The distribution's, with nothing in a chroot, smtpd on our port, and only what is used."""
        kept = []
        for line in Path("/usr/share/postfix/master.cf.dist").read_text().splitlines():
            words = line.split()
            if len(words) < 8 or line[0] in "# " or words[0] in UNUSED:
                continue
            if words[:2] == ["smtp", "inet"]:
                words[0] = f"127.0.0.1:{self.port}"
            words[4] = "n"
            kept.append(" ".join(words))
        return "\n".join(kept) + "\n"
