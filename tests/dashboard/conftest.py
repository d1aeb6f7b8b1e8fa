"""Django with Horizon's test settings, once for all tests; without Horizon there are no tests."""

import importlib.util
import os
from collections.abc import Iterator

import pytest

if importlib.util.find_spec("openstack_dashboard") is None:
    collect_ignore_glob = ["*"]
else:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.dashboard.settings"
    import django

    django.setup()


def pytest_configure(config: pytest.Config) -> None:
    """Know the markers of Horizon's own base classes."""
    for name in ("selenium", "plugin_test"):
        config.addinivalue_line("markers", f"{name}: Horizon's own")


@pytest.fixture(scope="session", autouse=True)
def databases() -> Iterator[None]:
    """Horizon's test users are in a database in memory."""
    from django.test import utils

    utils.setup_test_environment()
    made = utils.setup_databases(verbosity=0, interactive=False)
    yield
    utils.teardown_databases(made, verbosity=0)
    utils.teardown_test_environment()
