# SPDX-License-Identifier: Apache-2.0
"""Nova's own functional fixtures, from the installed wheel, with nova-xloud installed in Nova."""

import pytest

from tests.nova_own.plugin import extend_nova, nova_under_pytest

# After the plugin, by which Nova chooses between threads and eventlet.
from tests.functional import copies, thrift  # isort: skip

__all__ = ["nova_under_pytest"]

# They have tests in them: an assert that fails has to say what differs.
pytest.register_assert_rewrite(
    "tests.functional.quotas_of_adjustments", "tests.functional.quotas_of_operations"
)

# Whatever the plugin was told of NOVA_XLOUD_STOCK.
extend_nova()
thrift.make_fixtures_cheaper()


def pytest_collection_finish():
    thrift.set_aside_what_is_imported()


_COPIES = copies.Copies()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    return _COPIES.run(item, nextitem)


def pytest_sessionfinish():
    _COPIES.end()
