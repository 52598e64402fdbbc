"""The workloads by name."""

from typing import Final

from benchmarks.workloads import chain, chat, crowd, fan_out, interrupts, resume
from benchmarks.workloads.workload import Workload

WORKLOADS: Final[dict[str, Workload]] = {
    one.WORKLOAD.name: one.WORKLOAD for one in (chain, chat, resume, fan_out, crowd, interrupts)
}
