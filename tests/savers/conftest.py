"""The conformance suite's asserts explain themselves here as they do in test files."""

import pytest

pytest.register_assert_rewrite("perdure.testing")
