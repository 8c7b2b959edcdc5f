"""What the Python programs share: record i of the contract (compat/README.md), the loop over checks, the end of input."""
import hashlib
import os
import sys
import threading
import time

COUNT = int(os.environ.get("COMPAT_RECORDS", "10000"))
PARTITIONS = 3
REPLICATION = int(os.environ.get("COMPAT_REPLICATION", "1"))
BIG = 1_040_000
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Failure(Exception):
    """A check that did not hold."""


class NotApplicable(Exception):
    """The client cannot do this."""


def _sha(text):
    return hashlib.sha256(text.encode()).digest()


def timestamp(i):
    return 1_700_000_000_000 + 1000 * i


def key(i):
    if i % 5 == 0 and i % 11 != 0:
        return None
    return b"" if i % 17 == 0 else b"key-%d" % (i % 97)


def value(i):
    if i % 11 == 0:
        return None
    if i % 13 == 0:
        return b""
    size = BIG if i % 2500 == 1249 else 7919 * i % 301
    blocks = (size + 31) // 32
    if i % 2 == 0:
        return (_sha(f"{i}:0") * blocks)[:size]
    return b"".join(_sha(f"{i}:{k}") for k in range(blocks))[:size]


def headers(i):
    return [(f"h{j // 2}", b"v%d-%d" % (i, j)) for j in range(i % 4)]


def difference(partition, offset, at, got_key, got_value, got_headers):
    """What is wrong with a record that was read, or None."""
    i = offset * PARTITIONS + partition
    pairs = (("key", key(i), got_key), ("value", value(i), got_value), ("timestamp", timestamp(i), at),
             ("headers", headers(i), [(name, bytes(text)) for name, text in got_headers or []]))
    for what, expected, got in pairs:
        if expected != got:
            return f"{what} of {partition}@{offset}: expected {str(expected)[:60]}, got {str(got)[:60]}"
    return None


class Reader:
    """Counts and compares what is read; every record must be the next one of its partition."""

    def __init__(self, expected, start=0):
        self.expected = expected
        self.next = [start] * PARTITIONS
        self.seen = 0
        self.deadline = time.monotonic() + 60

    def unfinished(self):
        if self.seen < self.expected and time.monotonic() > self.deadline:
            raise Failure(f"only {self.seen} of {self.expected} records after 60 s")
        return self.seen < self.expected

    def take(self, partition, offset, *rest):
        if offset != self.next[partition]:
            raise Failure(f"partition {partition}: expected offset {self.next[partition]}, got {offset}")
        wrong = difference(partition, offset, *rest)
        if wrong:
            raise Failure(wrong)
        self.next[partition] += 1
        self.seen += 1


def expected_offset(partition, target):
    """The offset that a look-up by the timestamp of record `target` must give."""
    return (target - partition + PARTITIONS - 1) // PARTITIONS


class EndOfInput:
    """True once stdin has ended: the sign to stop."""

    def __init__(self):
        self._event = threading.Event()
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self):
        # Unbuffered: a daemon thread blocked in a buffered read would hold its lock at exit.
        while os.read(0, 4096):
            pass
        self._event.set()

    def __bool__(self):
        return self._event.is_set()

    def pace(self, seconds):
        """Waits that long, or until the end of input."""
        self._event.wait(seconds)


def got(records):
    """Prints (partition, offset, value) rows in one write, so that rows of several threads do not mix."""
    sys.stdout.write("".join(f"got\t{p}\t{o}\t{v.decode()}\n" for p, o, v in records))
    sys.stdout.flush()


def run(client_class, default_name):
    bootstrap, first = sys.argv[1], sys.argv[2]
    client = client_class(bootstrap, os.environ.get("COMPAT_NAME", default_name))
    if first in ("flow", "member", "committed"):
        return getattr(client, first)(*sys.argv[3:])
    failures = 0
    for check in sys.argv[2:]:
        try:
            result, detail = "ok", one(client, check)
        except NotApplicable as reason:
            result, detail = "n/a", reason
        except Exception as error:
            failures += 1
            result, detail = "fail", f"{type(error).__name__}: {error}"
        print(check, result, " ".join(str(detail).split()), sep="\t", flush=True)
    sys.exit(1 if failures else 0)


def one(client, check):
    what, _, rest = check.partition(".")
    if what == "read":
        codec, _, other = rest.partition("@")
        return client.read(codec, other or client.name)
    if what == "produce":
        return client.produce(rest)
    if what == "error":
        return client.error(rest)
    return getattr(client, what)()
