"""What axe says of our part of a page, and whether the part fits into the window."""

from typing import TYPE_CHECKING, Any

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

# What is Horizon's own, around our pages, is Horizon's to mend.
OURS = ".xloud-size, .xloud-table"
THEMES = "#428bca"
# A page on its own has a title, landmarks and one main heading; a part of one has not.
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


def is_clean(page: "Page") -> None:
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


def fits(page: "Page") -> None:
    """Nothing of ours is wider than the window; a wide table scrolls in a region of its own."""
    wider = page.evaluate(
        """parts => [...document.querySelectorAll(parts)]
          .filter(part => part.getBoundingClientRect().right > window.innerWidth + 1)
          .map(part => part.className)""",
        ".xloud-size, .xloud-scroll, .xloud-host, .xloud-form",
    )
    assert wider == []
