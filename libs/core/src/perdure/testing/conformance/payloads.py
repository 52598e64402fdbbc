"""Payloads and envelopes: what goes in comes out, byte for byte, whatever it is."""

from typing import ClassVar

import pytest

from perdure.chain import GENESIS, link
from perdure.errors import UsageError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing.conformance.suite import SaverClauses, unplaced
from perdure.testing.records import BLANK, grow, write_records
from perdure.testing.watching import settled_tail

PAYLOADS = [
    pytest.param(b'{"a":[1,2.5,null,true,"x"]}', id="json"),
    pytest.param('{"text":"\u00e4\u6f22\U0001f980\u2028"}'.encode(), id="unicode"),
    pytest.param(b'{"escaped":"\\u0000\\ud800"}', id="escaped NUL and surrogate"),
    pytest.param(b"\x00", id="NUL"),
    pytest.param(b"before\x00after", id="NUL inside text"),
    pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
    pytest.param(b"\xff\xfe\x80\x00\x01", id="not UTF-8"),
    pytest.param(b"\xed\xa0\x80", id="encoded surrogate"),
    pytest.param(b"\xc0\xaf", id="overlong UTF-8"),
    pytest.param(bytes(range(256)) * 4, id="every byte"),
    pytest.param(b"not json at all'; DROP TABLE events; --", id="SQL"),
    pytest.param(b"12", id="a number"),
    pytest.param(b"[-0,1e999,1.10,123456789012345678901234567890]", id="numbers of every size"),
    pytest.param(b'{"b":1,"a":2,"b":3}', id="keys twice and in no order"),
    pytest.param(b' { "a" :\t1 }\r\n', id="white space"),
    pytest.param(b"[" * 100_000 + b"]" * 100_000, id="deeply nested"),
    pytest.param(b"[NaN,Infinity,'a',]", id="almost json"),
    pytest.param(b"\\x00ff", id="what looks like bytes in SQL"),
    pytest.param(b"\\N\t\\.\n", id="what ends a COPY"),
    pytest.param(b"%s %(a)s ? ?1 :a $1 {a} {{", id="placeholders"),
    pytest.param(b"\x1f\x8b\x08\x00", id="what begins a gzip"),
]

ENVELOPES = [
    pytest.param(BLANK._replace(actor="\u00e4da \U0001f980 \u202e\x00 \x7f\n"), id="odd actor"),
    pytest.param(BLANK._replace(actor="'; DROP TABLE events; --"), id="SQL"),
    pytest.param(BLANK._replace(actor="x" * 100_000), id="long actor"),
    pytest.param(BLANK._replace(run_id="", task_id="", kind=""), id="empty texts"),
    pytest.param(BLANK._replace(namespace="node:1|\u6f22:2", checkpoint_id="main-0001-x"), id="namespace"),
    pytest.param(BLANK._replace(recorded_at=-1, version=0), id="small numbers"),
    pytest.param(BLANK._replace(recorded_at=2**63 - 10, version=2**31), id="large numbers"),
    pytest.param(BLANK._replace(kind="SomethingOfTomorrow", version=99), id="unknown kind"),
    pytest.param(BLANK._replace(run_id="0012", task_id="1e5", actor="NULL"), id="texts like numbers"),
]


def _through(saver: Saver, records: list[Record]) -> list[Record]:
    saver.append("t", MAIN_BRANCH, expected_seq=0, records=records)
    read = saver.read("t", MAIN_BRANCH)
    assert settled_tail(saver, len(records)) == read
    return unplaced(read)


class PayloadClauses(SaverClauses):
    """Records come back exactly as they went in."""

    capability: ClassVar[str] = "payloads"

    @pytest.mark.parametrize("payload", PAYLOADS)
    def test_payload_comes_back_identical(self, saver: Saver, payload: bytes) -> None:
        """A saver does not look into payloads."""
        records = write_records("t", 2, like=BLANK._replace(payload=payload))
        assert _through(saver, records) == records

    @pytest.mark.parametrize("envelope", ENVELOPES)
    def test_envelope_comes_back_identical(self, saver: Saver, envelope: Record) -> None:
        """Neither texts nor numbers change on the way."""
        records = write_records("t", 2, like=envelope)
        found = _through(saver, records)
        assert found == records
        assert [list(map(type, record)) for record in found] == [list(map(type, record)) for record in records]

    @pytest.mark.parametrize("payload", PAYLOADS)
    def test_snapshot_comes_back_identical(self, saver: Saver, payload: bytes) -> None:
        """Nor into snapshots."""
        grow(saver, "t")
        snapshot = Snapshot(MAIN_BRANCH, 1, bytes(range(32)), payload)
        saver.put_snapshot("t", snapshot)
        assert saver.get_snapshot("t", MAIN_BRANCH, upto=1) == snapshot

    @pytest.mark.parametrize("field", ["kind", "run_id", "namespace", "checkpoint_id", "task_id", "actor"])
    @pytest.mark.parametrize("place", [0, 1])
    def test_text_that_is_no_text_in_any_record_is_refused(self, saver: Saver, field: str, place: int) -> None:
        """A lone surrogate, in the first record or in a later one: a usage error, nothing of the batch is written."""
        records = write_records("t", 2)
        fields = records[place]._asdict()
        records[place] = Record(**{**fields, field: "a\ud800"})
        with pytest.raises(UsageError):
            saver.append("t", MAIN_BRANCH, expected_seq=0, records=records)
        assert saver.head("t") is None

    def test_empty_payload(self, saver: Saver) -> None:
        """No bytes are bytes, too."""
        empty = write_records("t")[0]._replace(payload=b"")
        records = [empty._replace(hash=link(GENESIS, empty))]
        assert _through(saver, records) == records

    def test_huge_payloads(self, saver: Saver) -> None:
        """Five megabytes of text, and five that are no text, in one append."""
        text = write_records("t", like=BLANK._replace(payload=b'"' + b"x" * 5_000_000 + b'"'))
        blob = write_records("t", after=text[0], like=BLANK._replace(payload=b"\xff" * 5_000_000))
        assert _through(saver, text + blob) == text + blob

    def test_hashes_behind_the_first_are_not_judged(self, saver: Saver) -> None:
        """A saver compares where an append meets the head; what is inside is kept as it is, for `verify` to judge."""
        first, *others = write_records("t", 3)
        records = [first, *(record._replace(hash=bytes([255 - record.seq]) * 32) for record in others)]
        assert _through(saver, records) == records

    def test_records_come_back_as_records(self, saver: Saver) -> None:
        """What is read has names and plain types, so that it can be appended elsewhere."""
        grow(saver, "t", 2)
        for record in [*saver.read("t", MAIN_BRANCH), *settled_tail(saver, 2)]:
            assert type(record) is Record
            assert type(record.payload) is bytes
            assert type(record.hash) is bytes
