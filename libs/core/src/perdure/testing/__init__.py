"""What a saver's author tests with: real records, both faces of a saver, and the clauses in `conformance`."""

from perdure.testing.faces import FACES, Face, as_async, as_sync
from perdure.testing.records import BLANK, fork, grow, write_records

__all__ = ["BLANK", "FACES", "Face", "as_async", "as_sync", "fork", "grow", "write_records"]
