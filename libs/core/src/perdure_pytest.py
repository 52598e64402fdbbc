"""How pytest finds the conformance kit: its asserts explain themselves, and what it found is reported.

pytest loads this module in every environment that has perdure installed. So it stands outside the package, whose import
would take longer than most test runs, and imports nothing of it before a clause was collected.
"""

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from perdure.testing.recorder import Recorder

KIT = "perdure.testing"
OUTPUT = "perdure_conformance"
"""Under this name a worker of pytest-xdist hands its findings to the process that reports."""

if KIT not in sys.modules:  # a program that runs pytest inside itself may have imported it
    pytest.register_assert_rewrite(KIT)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for a report as JSON."""
    group = parser.getgroup("perdure", "perdure's conformance kit for savers")
    group.addoption(
        "--conformance-report",
        metavar="FILE",
        help="write the result of each saver's capabilities to FILE, as JSON",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin a report that was asked for: it is written although no clause may run."""
    if config.getoption("conformance_report") and not hasattr(config, "workerinput"):
        _recorder(config)


@pytest.hookimpl(tryfirst=True)  # before -k and its like leave items out: what was left out did not pass
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin to record if clauses were collected, which nobody does without importing them."""
    if f"{KIT}.conformance" in sys.modules:
        _recorder(config).expect(items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker of pytest-xdist found."""
    output = getattr(node, "workeroutput", {})
    if OUTPUT in output:
        _recorder(node.config).merge(output[OUTPUT])


def _recorder(config: pytest.Config) -> "Recorder":
    # Here and not above: it imports perdure.
    from perdure.testing.recorder import Recorder  # noqa: PLC0415

    found: Recorder | None = config.pluginmanager.get_plugin(Recorder.NAME)
    if found is None:
        found = Recorder(config, OUTPUT, _version(config))
        config.pluginmanager.register(found, Recorder.NAME)
    return found


def _version(config: pytest.Config) -> str:
    """Return the version of the installed distribution that this module came with."""
    installed = config.pluginmanager.list_plugin_distinfo()
    return next((dist.version for plugin, dist in installed if plugin is sys.modules[__name__]), "")
