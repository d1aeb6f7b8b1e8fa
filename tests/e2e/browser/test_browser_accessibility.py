"""Labels, names and contrast by axe, in windows of three widths; what it finds is printed."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from lab import contents
from lab.cloud import Cloud, Size, Witnesses
from tests.e2e.browser.axe import fits, is_clean
from tests.e2e.browser.conftest import NAME, served
from tests.e2e.browser.looks import Looks
from tests.e2e.browser.size_tab import SizeTab

WIDTHS = {"wide": 1600, "narrow": 480, "phone": 360}


def test_size_tab_is_labelled_and_fits(admin: Page, web: str, cloud: Cloud, looks: Looks) -> None:
    cloud.resize(web, Size(3, 1024))
    for width, pixels in WIDTHS.items():
        admin.set_viewport_size({"width": pixels, "height": 860})
        tab = SizeTab.opened(admin, web)
        expect(tab.number("vCPUs", "in the guest")).to_have_text("3")
        is_clean(admin)
        fits(admin)
        tab.box("vCPUs").fill("5")
        expect(tab.plan).to_contain_text("It would be admitted")
        is_clean(admin)
        looks.take(admin, f"size-{width}")


def test_cards_refusal_opened_button_and_chart_are_labelled_and_fit(
    admin: Page, cloud: Cloud, owner: Cloud, looks: Looks
) -> None:
    with served(owner, cloud, NAME, "xloud-no-removal", contents.WEB.name) as stubborn:
        for size in (Size(3, 512), Size(1, 512)):
            cloud.resize(stubborn, size)
            cloud.settle(stubborn, Witnesses(*[Size(3, 512)] * 3))
        tab = SizeTab.opened(admin, stubborn)
        card = tab.live.locator(".xloud-card").filter(has_text="xloud.guest_refused")
        expect(card).to_contain_text("What to do:")
        admin.clock.install()
        SizeTab.opened(admin, stubborn)
        chart = tab.section.locator(".xloud-chart").first

        def is_drawn() -> bool:
            # Of two readings, which the server dates.
            admin.clock.run_for(40_000)
            return chart.is_visible()

        cloud.wait("the page to have a chart", is_drawn)
        card.locator("summary").filter(has_text="Hard reboot").click()
        expect(card.get_by_role("button", name="Hard reboot now")).to_be_visible()
        tab.box("vCPUs").fill("4")
        admin.clock.run_for(1_000)
        expect(tab.plan).to_contain_text("xloud.blocked.removal_unsettled")
        for width, pixels in WIDTHS.items():
            admin.set_viewport_size({"width": pixels, "height": 860})
            is_clean(admin)
            fits(admin)
            looks.take(admin, f"size-cards-{width}")


@pytest.mark.parametrize(
    ("user", "path"), [("demo", "/project/elastic_servers/"), ("admin", "/admin/elastic_hosts/")]
)
def test_panel_is_labelled_and_fits(
    open_as: Callable[[str], Page], web: str, cloud: Cloud, looks: Looks, user: str, path: str
) -> None:
    # A host names the servers that would free something.
    cloud.resize(web, Size(3, 1024))
    page = open_as(user)
    for width, pixels in WIDTHS.items():
        page.set_viewport_size({"width": pixels, "height": 860})
        page.goto(path)
        expect(page.get_by_role("link", name=NAME).first).to_be_visible()
        is_clean(page)
        fits(page)
        looks.take(page, f"{path.split('/')[2].replace('_', '-')}-{width}")


def test_form_can_be_used_by_keyboard_alone(admin: Page, web: str, cloud: Cloud) -> None:
    tab = SizeTab.opened(admin, web)
    tab.slider("vCPUs").focus()
    admin.keyboard.press("ArrowRight")
    for _stop in ("box", "slider of memory", "box of memory", "persist", "force"):
        admin.keyboard.press("Tab")
    expect(tab.plan).to_contain_text("It would be admitted")
    for _stop in ("Show what would happen", "Apply"):
        admin.keyboard.press("Tab")
    expect(tab.apply).to_be_focused()
    admin.keyboard.press("Enter")
    expect(tab.number("vCPUs", "claimed")).to_have_text("2")
