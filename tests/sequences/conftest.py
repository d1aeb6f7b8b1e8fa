# SPDX-License-Identifier: Apache-2.0
"""The cloud of the functional tests, with nova-xloud installed in Nova; tests are run in forks."""

import pytest

from tests.functional.conftest import (
    nova_under_pytest,
    pytest_runtest_protocol,
    pytest_sessionfinish,
)

__all__ = ["nova_under_pytest", "pytest_runtest_protocol", "pytest_sessionfinish"]


@pytest.fixture(scope="session")
def origin():
    """A cloud to fork."""
    from tests.sequences.cloud import Cloud
    from tests.sequences.forks import Origin

    found = Origin(Cloud("run"))
    yield found
    found.end()
