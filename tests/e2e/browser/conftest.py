"""The dashboard, Debian's Chromium driven by Playwright, and pages of people who are logged in.

The browser is there after ``LAB_BROWSER=1 make setup``, which ``make test`` does. An environment
for an older Nova has no Playwright, and so no tests of these.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from lab import contents, dashboard
from lab.autoscale.driver import GuestLoad
from lab.checker import Checker
from lab.cloud import Cloud, Size, Witnesses
from lab.guest.load import Load
from lab.layout import Layout
from tests.e2e.browser.looks import Looks

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, StorageState, ViewportSize

if importlib.util.find_spec("playwright") is None:
    collect_ignore_glob = ["*"]

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
WIDE: "ViewportSize" = {"width": 1280, "height": 860}
# How long a page waits for something: a machine may be busy with other work.
WAIT_MILLISECONDS = 90_000
NAME = "xloud-browser"


@pytest.fixture(scope="session")
def site(lab: Layout) -> str:
    """The address of the dashboard, without a slash at its end."""
    return dashboard.start(lab).rstrip("/")


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """A browser without a window."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MILLISECONDS)
    with sync_playwright() as playwright:
        # Chromium's own sandbox is not there for root.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def logins(chromium: "Browser", site: str, lab: Layout) -> "Callable[[str], StorageState]":
    """Log a user in with the form once, and return what the browser keeps of that."""
    known: dict[str, object] = {}

    def login(user: str) -> object:
        if user not in known:
            context = chromium.new_context()
            page = context.new_page()
            page.set_default_timeout(WAIT_MILLISECONDS)
            page.goto(f"{site}/auth/login/")
            page.get_by_label("User Name").fill(user)
            page.get_by_label("Password", exact=True).fill(lab.password)
            page.get_by_role("button", name="Sign In").click()
            page.get_by_role("button", name="Sign In").wait_for(state="detached")
            known[user] = context.storage_state()
            context.close()
        return known[user]

    return login


@pytest.fixture
def open_as(
    chromium: "Browser", site: str, logins: "Callable[[str], StorageState]"
) -> "Iterator[Callable[..., Page]]":
    """Open a window in which a user is logged in, with options of Playwright's ``new_context``.

    A script that fails, fails the test.
    """
    contexts, errors = [], []

    def opened(user: str, **options: Any) -> "Page":
        context = chromium.new_context(
            storage_state=logins(user), base_url=site, viewport=WIDE, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MILLISECONDS)
        page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture
def admin(open_as: "Callable[[str], Page]") -> "Page":
    """A window of the administrator."""
    return open_as("admin")


@pytest.fixture
def member(open_as: "Callable[[str], Page]") -> "Page":
    """A window of a member of the project ``demo``, who may not adjust."""
    return open_as("demo")


@pytest.fixture(scope="session")
def owner(lab: Layout) -> Cloud:
    """The cloud as a member of the project ``demo`` sees it."""
    return Cloud(lab, "demo", "demo")


@contextmanager
def served(owner: Cloud, cloud: Cloud, name: str, image: str, flavor: str) -> Iterator[str]:
    """A server of the project ``demo`` for as long as the block lasts."""
    cloud.delete_named(name)
    server_id = owner.create(name, flavor, image)
    try:
        yield server_id
    finally:
        owner.delete(server_id)


@pytest.fixture
def busy(cloud: Cloud) -> Iterator[str]:
    """A server of the administrator with automatic growth in ``observe``, which wants 4 CPUs."""
    with served(cloud, cloud, NAME, contents.LOAD_IMAGE, contents.AUTOSCALE.name) as server:
        assert cloud.adjust(server, {"autoscale": "observe"}).status == 202
        guest = GuestLoad(cloud, server)
        guest.booted()
        guest.set(Load(burners=4))
        yield server


@pytest.fixture
def web(owner: Cloud, cloud: Cloud, invariants: Checker) -> Iterator[str]:
    """A running server of the project ``demo`` whose guest has an agent.

    It has 1 vCPU and 512 MiB, and may have 16 and 2048. After the test every invariant has to hold.
    """
    with served(owner, cloud, NAME, "xloud-agent", contents.WEB.name) as server_id:
        minimum = Witnesses(*[Size(1, 512)] * 3)
        assert cloud.settle(server_id, minimum) == minimum
        yield server_id
        verdict = invariants.ask()
        assert verdict.code == 0, verdict.text


@pytest.fixture(scope="session")
def looks(lab: Layout) -> Looks:
    """Takes pictures of pages; with NOVA_XLOUD_WRITE_PICTURES=1 they become those of the docs."""
    return Looks.of(lab)
