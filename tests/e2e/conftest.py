"""The real cloud, for the session: brought up if it is not, and then taken down at the end.

NOVA_XLOUD_E2E=0 skips all tests that need it; LAB_KEEP=1 leaves it up.
"""

import os
from collections.abc import Iterator
from typing import Protocol

import pytest

from lab import contents, lifecycle
from lab.checker import Checker, checker
from lab.cloud import Cloud
from lab.layout import Layout, load
from lab.operations import Operations
from tests.log_secrets import secrets_in_files

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
        _have_no_secrets(layout)
    finally:
        if not was_up and os.environ.get("LAB_KEEP") != "1":
            lifecycle.down(layout)


def _have_no_secrets(layout: Layout) -> None:
    """Look for secrets in all that Nova's services have logged, at the end of the session."""
    logs = sorted(layout.logs.glob("nova-*.log"))
    known = {layout.password: "the password of this lab"}
    found = [str(one) for one in secrets_in_files(logs, known)]
    assert not found, "\n".join(found)


@pytest.fixture(scope="session")
def cloud(lab: Layout) -> Cloud:
    """The cloud as its administrator sees it."""
    return Cloud(lab)


@pytest.fixture(scope="session")
def operations(cloud: Cloud) -> Operations:
    """What Nova can do with its servers."""
    return Operations(cloud)


@pytest.fixture(scope="session")
def invariants(lab: Layout) -> Iterator[Checker]:
    """``nova-xloud-status invariants``."""
    with checker(lab) as made:
        yield made


class Create(Protocol):
    """Makes a server and waits until it is active. Returns its id."""

    def __call__(
        self, flavor: str, image: str = contents.IMAGE, host: str | None = None
    ) -> str: ...


@pytest.fixture
def create(cloud: Cloud, lab: Layout, invariants: Checker) -> Iterator[Create]:
    """Make servers by their flavor's name. After the test every invariant has to hold.

    They are on the first host, unless another is named.
    They are deleted then, also those that the test has made itself under the same name.
    """

    def create(flavor: str, image: str = contents.IMAGE, host: str | None = None) -> str:
        return cloud.create(NAME, flavor, image, host or lab.computes[0].hostname)

    yield create
    try:
        verdict = invariants.ask()
    finally:
        cloud.delete_named(NAME)
    assert verdict.code == 0, verdict.text


@pytest.fixture
def server(create: Create) -> str:
    """A running server that may have 1 to 32 vCPUs and 512 to 1024 MiB, at its minimum."""
    return create(contents.DEMO.name)
