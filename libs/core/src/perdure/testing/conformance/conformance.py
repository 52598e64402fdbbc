"""All clauses, in two classes to derive from, and the capabilities that they are grouped into."""

from perdure.testing.conformance.appending import AppendClauses
from perdure.testing.conformance.branching import BranchClauses
from perdure.testing.conformance.contending import ThreadClauses
from perdure.testing.conformance.contending_processes import ProcessClauses
from perdure.testing.conformance.contending_tasks import TaskClauses
from perdure.testing.conformance.crashing import CrashClauses
from perdure.testing.conformance.deleting import DeleteClauses
from perdure.testing.conformance.large import LargeClauses, LargeWalkClauses
from perdure.testing.conformance.lifecycle import LifeClauses
from perdure.testing.conformance.lines import LineClauses
from perdure.testing.conformance.listing import ListClauses
from perdure.testing.conformance.naming import NameClauses
from perdure.testing.conformance.payloads import PayloadClauses
from perdure.testing.conformance.reading import ReadClauses
from perdure.testing.conformance.rebuilding import RebuildClauses
from perdure.testing.conformance.reopening import ReopenClauses
from perdure.testing.conformance.snapshotting import SnapshotClauses
from perdure.testing.conformance.tailing import TailClauses
from perdure.testing.conformance.tenancy import TenantClauses


class SaverConformance(
    AppendClauses,
    ReadClauses,
    BranchClauses,
    LineClauses,
    SnapshotClauses,
    RebuildClauses,
    ListClauses,
    NameClauses,
    DeleteClauses,
    PayloadClauses,
    TailClauses,
    TenantClauses,
    LifeClauses,
    ThreadClauses,
    TaskClauses,
    LargeClauses,
):
    """What every saver must do. A subclass has the fixture `make_saver`."""


class DurableSaverConformance(SaverConformance, ReopenClauses, ProcessClauses, CrashClauses, LargeWalkClauses):
    """What a saver must do whose storage outlives its object and its process.

    A subclass has the fixture `make_saver`, and `connect` if what `make_saver` returns cannot be pickled.
    """


CAPABILITIES: tuple[str, ...] = tuple(
    dict.fromkeys(
        str(vars(group)["capability"]) for group in DurableSaverConformance.__mro__ if vars(group).get("capability")
    )
)
"""What all clauses are grouped into, in the order in which reports show it."""
