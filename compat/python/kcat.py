"""Drives Debian's kcat, an old librdkafka without an admin client. The contract is in compat/README.md."""
import os
import re
import signal
import subprocess
import sys

import contract
from contract import COUNT, PARTITIONS, Failure, NotApplicable, Reader


class Kcat:
    def __init__(self, bootstrap, name):
        self.bootstrap = bootstrap
        self.name = name

    def command(self, *arguments):
        return ["kcat", "-b", self.bootstrap, *arguments]

    def run(self, *arguments, stdin=b""):
        return subprocess.run(self.command(*arguments), input=stdin, capture_output=True, timeout=60)

    def checked(self, *arguments, stdin=b""):
        done = self.run(*arguments, stdin=stdin)
        if done.returncode != 0:
            raise Failure(done.stderr.decode()[-300:])
        return done.stdout

    def version(self):
        text = self.run("-V").stdout.decode()
        return "{} (librdkafka {})".format(*re.search(r"Version (\S+) .*librdkafka (\S+)", text).groups())

    def create(self):
        raise NotApplicable("no admin client: the first record creates a topic")

    def produce(self, codec):
        for p in range(PARTITIONS):
            lines = (b"%s\t%s\n" % (contract.key(i) or b"", (contract.value(i) or b"").hex().encode())
                     for i in range(p, COUNT, PARTITIONS))
            self.checked("-P", "-t", f"{self.name}.{codec}", "-p", str(p), "-z", codec, "-Z", "-K", "\\t", "-H", "h0=kcat",
                         "-X", "message.max.bytes=2097000", "-X", "enable.idempotence=true", stdin=b"".join(lines))
        return f"{COUNT} records"

    def records(self, topic, *where):
        """Rows as Reader.take wants them, out of a format whose first line gives the lengths of what follows."""
        out = self.checked("-C", "-t", topic, "-e", "-q", "-f", "%p %o %T %K %S %h\\n%k%s\\n", *where)
        at = 0
        while at < len(out):
            line_end = out.index(b"\n", at)
            partition, offset, timestamp, key_size, value_size, headers = out[at:line_end].split(b" ", 5)
            at = line_end + 1
            fields = []
            for size in (int(key_size), int(value_size)):
                fields.append(None if size < 0 else out[at:at + size])
                at += max(size, 0)
            at += 1
            pairs = [tuple(pair.split(b"=", 1)) for pair in headers.split(b",") if pair]
            yield int(partition), int(offset), int(timestamp), *fields, [(name.decode(), text) for name, text in pairs]

    def read(self, codec, other):
        reader = Reader(COUNT)
        for row in self.records(f"{other}.{codec}", "-o", "beginning"):
            reader.take(*(self.as_written(row) if other.startswith("kcat") else row))
        if reader.unfinished():
            raise Failure(f"only {reader.seen} of {COUNT} records")
        return f"{COUNT} records"

    @staticmethod
    def as_written(row):
        """Back from kcat's text to the table's record, where the text is as it must be."""
        partition, offset, _, key, value, headers = row
        i = offset * PARTITIONS + partition
        if headers != [("h0", b"kcat")] or key == b"" or value == b"":
            raise Failure(f"{partition}@{offset}: key {key}, headers {headers}")
        key = b"" if key is None and contract.key(i) == b"" else key
        value = contract.value(i) if value is None and not contract.value(i) else bytes.fromhex((value or b"").decode())
        return partition, offset, contract.timestamp(i), key, value, contract.headers(i)

    def offset(self):
        start = COUNT // 10
        reader = Reader(COUNT - start * PARTITIONS, start)
        for p in range(PARTITIONS):
            for row in self.records(f"{self.name}.none", "-p", str(p), "-o", str(start)):
                reader.take(*self.as_written(row))
        if reader.unfinished():
            raise Failure(f"only {reader.seen} records")
        return f"from offset {start}"

    def time(self):
        # Its own records have timestamps of its own, so the times before and after all of them are what is known.
        for time, expected in ((1000, 0), (4_000_000_000_000, -1)):
            for p in range(PARTITIONS):
                out = self.checked("-Q", "-t", f"{self.name}.none:{p}:{time}").decode()
                if int(out.split()[-1]) != expected:
                    raise Failure(f"partition {p}: {out}")
        return "before and after all records"

    def error(self, error):
        huge = b"x" * 3_000_000
        arguments, stdin, expected = {
            "unknown-topic": (("-C", "-t", f"{self.name}.nowhere", "-e"), b"", "Unknown topic"),
            "invalid-topic": (("-P", "-t", "not a name!"), b"x\n", "Invalid topic"),
            "too-large": (("-P", "-t", f"{self.name}.none", "-X", "message.max.bytes=10000000", "-X", "compression.type=none"),
                          huge + b"\n", "Message size too large"),
            "out-of-range": (("-C", "-t", f"{self.name}.none", "-p", "0", "-o", "1000000000", "-e", "-X",
                              "auto.offset.reset=error", "-X", "topic.auto.offset.reset=error"), b"", "out of range"),
            "stale-generation": (None, b"", ""),
        }[error]
        if arguments is None:
            raise NotApplicable("rejoins by itself")
        done = self.run(*arguments, stdin=stdin)
        text = done.stderr.decode()
        if expected.lower() not in text.lower():
            raise Failure(f"exit {done.returncode}: {text}")
        return expected

    def flow(self, topic):
        stopping = contract.EndOfInput()
        kcat = subprocess.Popen(self.command("-E", "-P", "-t", topic, "-X", "enable.idempotence=true"), stdin=subprocess.PIPE)
        count = 0
        while not stopping and kcat.poll() is None:
            kcat.stdin.write(b"".join(b"%d\n" % number for number in range(count, count + 10)))
            kcat.stdin.flush()
            count += 10
            stopping.pace(0.02)
        kcat.stdin.close()
        if kcat.wait(60) != 0:
            raise Failure(f"exit {kcat.returncode}")
        print("sent", count, sep="\t", flush=True)

    def member(self, group, topic, count):
        stopping = contract.EndOfInput()
        settings = [word for pair in ("session.timeout.ms=6000", "heartbeat.interval.ms=500", "auto.commit.interval.ms=200",
                                      "auto.offset.reset=earliest") for word in ("-X", pair)]
        # Each row goes straight to who reads them, in one write: what was still on its way through this program would be gone,
        # though committed, when all are killed.
        command = ["stdbuf", "-oL", *self.command(*settings, "-E", "-q", "-f", "got\\t%p\\t%o\\t%s\\n", "-G", group, topic)]
        members = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(int(count))]
        while not stopping:
            stopping.pace(60)
        for member in members:
            member.send_signal(signal.SIGTERM)
        sys.exit(max(member.wait(60) for member in members))


contract.run(Kcat, "kcat")
