"""The workloads by name."""

from typing import Final

from benchmarks.workloads import chain, chat
from benchmarks.workloads.workload import Workload

WORKLOADS: Final[dict[str, Workload]] = {one.name: one for one in (chain.WORKLOAD, chat.WORKLOAD)}
