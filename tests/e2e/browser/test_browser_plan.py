"""The dry run beside the form: never that of another size, and never silence where it fails."""

from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from lab.cloud import Cloud, Size
from tests.e2e.browser.size_tab import SizeTab

SIZE = "**/elastic_servers/*/size/"
# Each answers a dry run in a way that is no dry run.
FAILURES: dict[str, Callable[[Route], None]] = {
    "no connection": lambda route: route.abort(),
    "logged out": lambda route: route.fulfill(status=401),
    "no token": lambda route: route.fulfill(status=403, body="CSRF verification failed."),
    "not found": lambda route: route.fulfill(status=404),
    "broken": lambda route: route.fulfill(status=500, body="<h1>Server Error (500)</h1>"),
    "a login page": lambda route: route.fulfill(status=200, body="<html>Log in</html>"),
    "no answer": lambda route: None,
    "nothing": lambda route: route.fulfill(status=200, body=""),
}


def test_late_plan_never_stands_beside_another_size(admin: Page, web: str, cloud: Cloud) -> None:
    tab = SizeTab.opened(admin, web)
    late: list[Route] = []
    admin.route(SIZE, lambda route: late.append(route))
    for vcpus in ("2", "3"):
        with admin.expect_request(SIZE):
            tab.box("vCPUs").fill(vcpus)
        expect(tab.plan).to_have_text("...")
        expect(tab.apply).to_be_disabled()
    first, second = late
    second.continue_()
    expect(tab.plan).to_contain_text("3 vCPUs, 512 MiB would be claimed")
    expect(tab.apply).to_be_enabled()
    with admin.expect_response(SIZE):
        first.continue_()
    # A plan that comes now is of a change after it, so the late one was handled before.
    admin.unroute(SIZE)
    expect(tab.plan).to_contain_text("3 vCPUs, 512 MiB would be claimed")
    tab.box("vCPUs").fill("4")
    expect(tab.plan).to_contain_text("4 vCPUs, 512 MiB would be claimed")
    assert cloud.claimed(web) == Size(1, 512)


def test_old_plan_goes_as_the_handle_moves(admin: Page, web: str) -> None:
    tab = SizeTab.opened(admin, web)
    tab.drag("vCPUs", 4)
    expect(tab.plan).to_contain_text("4 vCPUs, 512 MiB would be claimed")
    late: list[Route] = []
    admin.route(SIZE, lambda route: late.append(route))
    with admin.expect_request(SIZE):
        tab.drag("vCPUs", 8)
    expect(tab.plan).to_have_text("...")
    expect(tab.apply).to_be_disabled()
    late[0].continue_()
    expect(tab.plan).to_contain_text("8 vCPUs, 512 MiB would be claimed")
    expect(tab.apply).to_be_enabled()


def test_plan_that_cannot_be_read_is_said_and_apply_stays_possible(
    admin: Page, web: str, cloud: Cloud
) -> None:
    tab = SizeTab.opened(admin, web)
    for number, (name, fail) in enumerate(FAILURES.items(), start=2):
        admin.route(SIZE, fail)
        tab.box("vCPUs").fill(str(number))
        expect(tab.plan, name).to_contain_text("What would happen cannot be read at the moment")
        expect(tab.apply, name).to_be_enabled()
        admin.unroute(SIZE)
    tab.box("vCPUs").fill("2")
    expect(tab.plan).to_contain_text("It would be admitted")
    tab.apply.click()
    expect(admin.get_by_text("is admitted (req-")).to_be_visible()
    assert cloud.claimed(web) == Size(2, 512)
