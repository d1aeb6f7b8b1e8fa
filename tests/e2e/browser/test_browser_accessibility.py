"""Labels, names and contrast by axe, in windows of three widths; what it finds is printed."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from lab.cloud import Cloud, Size
from tests.e2e.browser.conftest import NAME
from tests.e2e.browser.looks import Looks
from tests.e2e.browser.size_tab import SizeTab

# What is Horizon's own, around our pages, is Horizon's to mend.
OURS = ".xloud-size, .xloud-table"
THEMES = "#428bca"
WIDTHS = {"wide": 1600, "narrow": 480, "phone": 360}
# A page on its own has a title, landmarks and one main heading; a part of one has not.
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


def is_clean(page: Page) -> None:
    """No rule of WCAG 2.1 A or AA that axe can check is broken on our part of the page."""
    found = Axe().run(page, context=OURS, options=RULES).response
    assert found["passes"], "axe has checked nothing"
    broken = [
        f"{rule['id']}: {node['html']}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
        if not is_the_themes(node)
    ]
    assert not broken, "\n".join(broken)


def is_the_themes(node: dict[str, Any]) -> bool:
    """Whether it is about the colour that Horizon's theme has for links and buttons."""
    told = [check["data"] for check in node["any"] if check["id"] == "color-contrast"]
    return any(THEMES in (data["fgColor"], data["bgColor"]) for data in told)


def fits(page: Page) -> None:
    """Nothing of ours is wider than the window; a wide table scrolls in a region of its own."""
    wider = page.evaluate(
        """parts => [...document.querySelectorAll(parts)]
          .filter(part => part.getBoundingClientRect().right > window.innerWidth + 1)
          .map(part => part.className)""",
        ".xloud-size, .xloud-scroll, .xloud-host, .xloud-form",
    )
    assert wider == []


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
