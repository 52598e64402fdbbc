"""The comparison explains itself as asserts in test files do."""

import pytest

pytest.register_assert_rewrite("tests.parity.peers")
