# SPDX-License-Identifier: Apache-2.0
"""The cloud of the functional tests, with nova-xloud installed in Nova; tests are run in forks."""

import pytest

from nova_xloud import releases
from tests.functional.conftest import (
    nova_under_pytest,
    pytest_runtest_protocol,
    pytest_sessionfinish,
)

__all__ = ["nova_under_pytest", "pytest_runtest_protocol", "pytest_sessionfinish"]


@pytest.fixture
def origin():
    """A cloud to fork; each test makes its own, because each is run in a process of its own."""
    if releases.major() < 34:
        pytest.skip("a cloud on eventlet cannot be forked")
    from tests.sequences.cloud import Cloud
    from tests.sequences.forks import Origin

    found = Origin(Cloud("run"))
    yield found
    found.end()
