"""The Size tab as a person uses it: where its parts are on the page."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# The width of the handle of Chromium's slider, in pixels.
HANDLE = 16


@dataclass(frozen=True)
class SizeTab:
    """The tab of one server in a window."""

    page: "Page"

    @staticmethod
    def opened(page: "Page", server_id: str, dashboard: str = "admin") -> "SizeTab":
        """Open the tab by its address.

        :param dashboard: ``admin`` or ``project``
        """
        end = "detail" if dashboard == "admin" else ""
        page.goto(f"/{dashboard}/instances/{server_id}/{end}?tab=instance_details__xloud_size")
        tab = SizeTab(page)
        tab.section.wait_for()
        return tab

    @property
    def section(self) -> "Locator":
        """All of the tab."""
        return self.page.locator("section.xloud-size")

    @property
    def live(self) -> "Locator":
        """The part that is read again and again."""
        return self.section.locator(".xloud-live")

    @property
    def form(self) -> "Locator":
        """The form for a size."""
        return self.section.get_by_role("form", name="Adjust the server")

    @property
    def plan(self) -> "Locator":
        """What would happen, or the refusal."""
        return self.form.get_by_role("status")

    @property
    def apply(self) -> "Locator":
        """The button that adjusts the server."""
        return self.form.get_by_role("button", name="Apply")

    def slider(self, resource: str) -> "Locator":
        """Return the slider of ``vCPUs`` or ``Memory``."""
        return self.form.get_by_role("slider", name=resource)

    def box(self, resource: str) -> "Locator":
        """Return the box for a number of ``vCPUs`` or ``Memory``."""
        return self.form.get_by_role("spinbutton", name=resource)

    def lamp(self, name: str) -> "Locator":
        """Return a stage of the last adjustment: asked, claimed, set, or seen in the guest."""
        return self.live.locator(".xloud-lamps li").filter(has_text=name)

    def number(self, resource: str, name: str) -> "Locator":
        """Return one of the numbers below a bar, such as ``claimed`` of ``Memory``."""
        bar = self.live.locator(".xloud-resource").filter(
            has=self.page.get_by_role("heading", name=resource)
        )
        term = self.page.locator("dt").filter(has_text=name)
        return bar.locator(".xloud-numbers > div").filter(has=term).locator("dd")

    def drag(self, resource: str, value: int) -> None:
        """Press the mouse on a slider where ``value`` is."""
        slider = self.slider(resource)
        least, most = (int(slider.get_attribute(name) or 0) for name in ("min", "max"))
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box is not None
        part = (value - least) / (most - least)
        x = HANDLE / 2 + part * (box["width"] - HANDLE)
        slider.click(position={"x": x, "y": box["height"] / 2})
