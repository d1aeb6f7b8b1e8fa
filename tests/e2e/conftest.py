"""The real cloud, for the session: brought up if it is not, and then taken down at the end.

NOVA_XLOUD_E2E=0 skips all tests that need it; LAB_KEEP=1 leaves it up.
"""

import os
from collections.abc import Callable, Iterator

import pytest

from lab import lifecycle
from lab.cloud import Cloud
from lab.layout import Layout, load

NAME = "xloud-e2e"


@pytest.fixture(scope="session")
def lab() -> Iterator[Layout]:
    """The lab, up and up to date with the code of this checkout."""
    if os.environ.get("NOVA_XLOUD_E2E") == "0":
        pytest.skip("NOVA_XLOUD_E2E=0: the tests that need the real cloud are switched off")
    layout = load()
    was_up = lifecycle.is_up(layout)
    try:
        yield lifecycle.up(layout)
    finally:
        if not was_up and os.environ.get("LAB_KEEP") != "1":
            lifecycle.down(layout)


@pytest.fixture(scope="session")
def cloud(lab: Layout) -> Cloud:
    """The cloud as its administrator sees it."""
    return Cloud(lab)


@pytest.fixture
def create(cloud: Cloud) -> Iterator[Callable[[str], str]]:
    """Make servers by their flavor's name; they are deleted after the test."""
    made: list[str] = []

    def create(flavor: str) -> str:
        made.append(cloud.create(NAME, flavor))
        return made[-1]

    yield create
    for server_id in made:
        cloud.delete(server_id)


@pytest.fixture
def server(create: Callable[[str], str]) -> str:
    """A running server that may have 1 to 4 vCPUs and 512 to 1024 MiB, at its minimum."""
    return create("xloud.demo")
