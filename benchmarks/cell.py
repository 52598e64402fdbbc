"""A cell: one workload on one library, saver, API and durability. Running it is not told here, but in `cells`."""

from dataclasses import dataclass

from benchmarks.libraries.face import Api, Durability, LibraryName, SaverKind
from benchmarks.workloads.workload import Place


@dataclass(frozen=True, slots=True)
class Cell:
    """What one process measures."""

    workload: str
    size: int
    saver: SaverKind
    api: Api
    durability: Durability
    library: LibraryName

    @property
    def place(self) -> Place:
        """Where it stands beside the other library."""
        return Place(self.saver, self.api, self.durability)

    @property
    def name(self) -> str:
        """The cell in words."""
        how = "" if self.durability == "sync" else f" (durability {self.durability})"
        return f"{self.workload} {self.saver} {self.api}{how} {self.library}"
