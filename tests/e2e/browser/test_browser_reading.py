"""The figures on an open page: read again while somebody sees them, and stale only with a note."""

from playwright.sync_api import Page, Request, expect

from lab.cloud import Cloud, Size, Witnesses
from lab.operations import Operations
from tests.e2e.browser.axe import is_clean
from tests.e2e.browser.looks import Looks
from tests.e2e.browser.size_tab import SizeTab

HIDE = """hidden => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event("visibilitychange"));
}"""
MINUTES = 5 * 60 * 1000


READ = ("/live/", "/past/")


def readings(page: Page) -> list[str]:
    """The addresses that the page reads figures and charts from; the list grows as it does so."""
    seen: list[str] = []

    def note(request: Request) -> None:
        if any(part in request.url for part in READ):
            seen.append(request.url)

    page.on("request", note)
    return seen


def test_open_page_follows_what_somebody_else_asks_for(admin: Page, web: str, cloud: Cloud) -> None:
    tab = SizeTab.opened(admin, web)
    expect(tab.number("vCPUs", "claimed")).to_have_text("1")
    cloud.resize(web, Size(2, 512))
    expect(tab.number("vCPUs", "claimed")).to_have_text("2")
    expect(tab.live.locator(".xloud-history")).to_contain_text("2 vCPUs, 512 MiB")


def test_nothing_is_read_while_the_browsers_tab_is_hidden(admin: Page, web: str) -> None:
    admin.clock.install()
    SizeTab.opened(admin, web)
    seen = readings(admin)
    for part in READ:
        with admin.expect_response(lambda answer, part=part: part in answer.url):
            admin.clock.run_for(40_000)
    admin.evaluate(HIDE, True)
    before = len(seen)
    admin.clock.run_for(MINUTES)
    assert len(seen) == before
    with admin.expect_response(lambda answer: "/live/" in answer.url):
        admin.evaluate(HIDE, False)
        admin.clock.run_for(1)


def test_nothing_is_read_while_another_tab_of_the_page_is_open(admin: Page, web: str) -> None:
    admin.clock.install()
    tab = SizeTab.opened(admin, web)
    seen = readings(admin)
    tabs = admin.locator(".nav-tabs")
    tabs.get_by_role("link", name="Overview").click()
    expect(tab.section).to_be_hidden()
    before = len(seen)
    admin.clock.run_for(MINUTES)
    assert len(seen) == before
    tabs.get_by_role("link", name="Size", exact=True).click()
    expect(tab.section).to_be_visible()
    for part in READ:
        with admin.expect_response(lambda answer, part=part: part in answer.url):
            admin.clock.run_for(40_000)


def test_click_into_the_history_does_not_stop_the_figures(
    admin: Page, web: str, cloud: Cloud
) -> None:
    cloud.resize(web, Size(2, 512))
    cloud.settle(web, Witnesses(*[Size(2, 512)] * 3))
    tab = SizeTab.opened(admin, web)
    history = tab.live.get_by_role("region", name="Last adjustments")
    history.click()
    expect(history).to_be_focused()
    cloud.resize(web, Size(3, 512))
    expect(tab.number("vCPUs", "claimed")).to_have_text("3")
    expect(history).to_be_focused()


def test_open_button_holds_figures_back_and_starts_a_stopped_server(
    admin: Page, web: str, cloud: Cloud, operations: Operations, looks: Looks
) -> None:
    operations.stop(web)
    admin.clock.install()
    tab = SizeTab.opened(admin, web)
    held = tab.section.get_by_text("they are not read again while")
    start = tab.live.locator("summary").filter(has_text="Start")
    start.click()
    seen = readings(admin)
    admin.clock.run_for(60_000)
    expect(held).to_be_visible()
    assert not [one for one in seen if "/live/" in one]
    looks.take(admin, "size-held")
    start.click()
    start.evaluate("summary => summary.blur()")
    with admin.expect_response(lambda answer: "/live/" in answer.url):
        admin.clock.run_for(5_000)
    expect(held).to_be_hidden()
    start.click()
    tab.live.get_by_role("button", name="Start now").click()
    expect(admin.get_by_text("Start: ")).to_be_visible()
    cloud.wait_status(web, "ACTIVE")
    agreed = Witnesses(*[Size(1, 512)] * 3)
    assert cloud.settle(web, agreed) == agreed


def test_figures_that_cannot_be_read_are_said_to_be_old(
    admin: Page, web: str, looks: Looks
) -> None:
    admin.clock.install()
    tab = SizeTab.opened(admin, web)
    stale = tab.section.get_by_text("The figures above are not up to date")
    expect(stale).to_be_hidden()
    admin.route("**/live/**", lambda route: route.abort())
    admin.clock.run_for(20_000)
    expect(stale).to_be_visible()
    looks.take(admin, "size-stale")
    admin.unroute("**/live/**")
    admin.clock.run_for(20_000)
    expect(stale).to_be_hidden()


def test_server_that_is_gone_is_said_in_words_and_read_no_more(admin: Page, web: str) -> None:
    admin.clock.install()
    tab = SizeTab.opened(admin, web)
    told = {"mark": "1", "seconds": 15, "reading": "", "html": "<p>There is no such server.</p>"}
    admin.route("**/live/**", lambda route: route.fulfill(status=404, json=told))
    admin.clock.run_for(20_000)
    expect(tab.live).to_have_text("There is no such server.")
    seen = readings(admin)
    admin.clock.run_for(MINUTES)
    assert not [one for one in seen if "/live/" in one]
    expect(tab.section.get_by_text("The figures above are not up to date")).to_be_hidden()


def test_mode_of_automatic_growth_is_set_on_the_page(admin: Page, web: str, cloud: Cloud) -> None:
    tab = SizeTab.opened(admin, web)
    mode = tab.section.get_by_role("form", name="Automatic growth")
    mode.get_by_label("Mode").select_option("observe")
    mode.get_by_role("button", name="Set the mode").click()
    expect(admin.get_by_text("Automatic growth of")).to_be_visible()
    expect(tab.live).to_contain_text("Automatic growth: observe")
    answer = cloud.call("GET", f"/servers/{web}/xloud-status").body["xloud_status"]
    assert answer["autoscale"]["mode"] == "observe"


def test_applied_size_survives_a_reload(admin: Page, web: str, cloud: Cloud) -> None:
    cloud.resize(web, Size(2, 640))
    cloud.settle(web, Witnesses(*[Size(2, 640)] * 3))
    tab = SizeTab.opened(admin, web)
    admin.reload()
    expect(tab.lamp("seen in the guest")).to_contain_text("done")
    expect(tab.box("Memory")).to_have_value("640")


def test_recommended_size_is_shown_with_its_reason_and_applied(
    admin: Page, busy: str, cloud: Cloud, looks: Looks
) -> None:
    tab = SizeTab.opened(admin, busy)
    card = tab.live.locator(".xloud-card").filter(has_text="Recommended:")
    expect(card).to_contain_text("grow.cpu_busy")
    assert cloud.claimed(busy).vcpus == 1
    is_clean(admin)
    looks.take(admin, "size-recommended")
    card.get_by_role("button", name="Apply").click()
    expect(admin.get_by_text("is admitted (req-")).to_be_visible()
    assert cloud.claimed(busy).vcpus > 1
