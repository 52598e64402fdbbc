"""The conformance suite: what every saver must do, one file a capability, each clause with both faces.

class TestMySaver(SaverConformance, ReopenClauses, ProcessClauses):
    @pytest.fixture
    def make_saver(self, tmp_path: Path) -> MakeSaver: ...

    @pytest.fixture
    def connect(self, tmp_path: Path) -> Callable[[], Saver]: ...   # ProcessClauses only
"""

from perdure.testing.conformance.conformance import SaverConformance
from perdure.testing.conformance.durable import ProcessClauses, ReopenClauses
from perdure.testing.conformance.suite import MakeSaver, SaverClauses

__all__ = ["MakeSaver", "ProcessClauses", "ReopenClauses", "SaverClauses", "SaverConformance"]
