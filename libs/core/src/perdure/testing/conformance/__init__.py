"""The conformance suite: what every saver must do, one file a capability, each clause with both faces.

class TestMySaver(DurableSaverConformance):  # or SaverConformance, if storage does not outlive the object
    @pytest.fixture
    def make_saver(self, tmp_path: Path) -> MakeSaver: ...
"""

from perdure.testing.conformance.conformance import CAPABILITIES, DurableSaverConformance, SaverConformance
from perdure.testing.conformance.contending_processes import ProcessClauses
from perdure.testing.conformance.crashing import CrashClauses
from perdure.testing.conformance.reopening import ReopenClauses
from perdure.testing.conformance.suite import Connect, MakeSaver, SaverClauses

__all__ = [
    "CAPABILITIES",
    "Connect",
    "CrashClauses",
    "DurableSaverConformance",
    "MakeSaver",
    "ProcessClauses",
    "ReopenClauses",
    "SaverClauses",
    "SaverConformance",
]
