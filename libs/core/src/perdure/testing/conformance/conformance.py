"""All clauses that hold for every saver, in one class to derive from."""

from perdure.testing.conformance.appending import AppendClauses
from perdure.testing.conformance.branching import BranchClauses
from perdure.testing.conformance.contending import TaskClauses, ThreadClauses
from perdure.testing.conformance.deleting import DeleteClauses
from perdure.testing.conformance.lifecycle import LifeClauses
from perdure.testing.conformance.listing import ListClauses
from perdure.testing.conformance.naming import NameClauses
from perdure.testing.conformance.payloads import PayloadClauses
from perdure.testing.conformance.reading import ReadClauses
from perdure.testing.conformance.snapshotting import SnapshotClauses
from perdure.testing.conformance.tailing import TailClauses
from perdure.testing.conformance.tenancy import TenantClauses


class SaverConformance(
    AppendClauses,
    ReadClauses,
    BranchClauses,
    SnapshotClauses,
    ListClauses,
    DeleteClauses,
    PayloadClauses,
    NameClauses,
    TailClauses,
    ThreadClauses,
    TaskClauses,
    TenantClauses,
    LifeClauses,
):
    """What every saver must do. (Savers that outlive their objects add `ReopenClauses` and `ProcessClauses`.)"""
