"""The hash chain: each event's hash covers the hash before it, its envelope and its payload as stored.

`hash = SHA-256(previous hash ‖ envelope ‖ payload)`. The first event of a thread follows `GENESIS`; the first event of
a fork follows its parent's hash at the fork point. `tenant` and `position` are not covered: they belong to a database,
and a thread keeps its hashes when it is copied to another.
"""

from hashlib import sha256

import orjson

from perdure.events import Record

GENESIS = bytes(32)


def link(previous: bytes, record: Record) -> bytes:
    """Return the hash that `record` must carry when it follows an event whose hash is `previous` (32 bytes each)."""
    return seal(previous, record[:11], record.payload)


def seal(previous: bytes, envelope: tuple[str | int, ...], payload: bytes) -> bytes:
    """Return the hash of an event that is not a record yet: its first eleven columns and its payload."""
    return sha256(previous + orjson.dumps(envelope) + payload).digest()
