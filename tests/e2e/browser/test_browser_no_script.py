"""The Size tab in a browser without JavaScript: it is read, and its forms work."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from lab.cloud import Cloud, Size, Witnesses
from tests.e2e.browser.size_tab import SizeTab

PAGES = re.compile("/(instances|elastic_servers)/")
# Horizon hides every page until a script takes this away; it is not in the pages of a Horizon with
# DISALLOW_IFRAME_EMBED = False. The lab's Horizon keeps the default, which the other tests need.
ANTI_FRAME = '<style id="anti-clickjack">body{display:none !important;}</style>'


def without_anti_frame(route: Route) -> None:
    """Answer with the page that Horizon answers, as it is with DISALLOW_IFRAME_EMBED = False.

    Redirects are followed here, because Playwright routes no request that one leads to.
    """
    if route.request.resource_type != "document":
        route.continue_()
        return
    answer = route.fetch()
    page = answer.text()
    assert ANTI_FRAME in page
    route.fulfill(response=answer, body=page.replace(ANTI_FRAME, ""))


def test_size_is_read_planned_and_applied_without_javascript(
    open_as: Callable[..., Page], web: str, cloud: Cloud
) -> None:
    cloud.resize(web, Size(2, 512))
    cloud.settle(web, Witnesses(*[Size(2, 512)] * 3))
    page = open_as("admin", java_script_enabled=False)
    page.context.route(PAGES, without_anti_frame)
    tab = SizeTab.opened(page, web)
    expect(tab.live).to_contain_text("nothing is left to do")
    expect(tab.number("vCPUs", "in the guest")).to_have_text("2")
    expect(tab.lamp("seen in the guest")).to_contain_text("done")
    expect(tab.live.locator(".xloud-history")).to_contain_text("2 vCPUs, 512 MiB")
    expect(tab.form.get_by_role("slider")).to_have_count(0)
    tab.box("vCPUs").fill("3")
    tab.form.get_by_role("button", name="Show what would happen").click()
    expect(tab.plan).to_contain_text("3 vCPUs, 512 MiB would be claimed")
    expect(tab.box("vCPUs")).to_have_value("3")
    tab.apply.click()
    expect(page.get_by_text("is admitted (req-")).to_be_visible()
    grown = Witnesses(*[Size(3, 512)] * 3)
    assert cloud.settle(web, grown) == grown
