"""A server is grown and shrunk by mouse; what would be refused is said before it is asked for."""

import re

import pytest
from playwright.sync_api import Page, expect

from lab import contents
from lab.cloud import Cloud, Size, Witnesses
from tests.e2e.browser.conftest import NAME, served
from tests.e2e.browser.looks import Looks
from tests.e2e.browser.size_tab import SizeTab

GROWN = Size(4, 512)


def is_seen_at(cloud: Cloud, server_id: str, size: Size) -> bool:
    """Whether Placement, libvirt and the guest come to have that size."""
    return cloud.settle(server_id, Witnesses(size, size, size)) == Witnesses(size, size, size)


def test_server_grows_from_the_login_by_mouse_alone(
    admin: Page, web: str, cloud: Cloud, looks: Looks
) -> None:
    admin.goto("/admin/")
    sidebar = admin.locator("#sidebar")
    instances = sidebar.get_by_role("link", name="Instances").and_(
        admin.locator("[href='/admin/instances/']")
    )
    if not instances.is_visible():
        sidebar.get_by_text("Compute", exact=True).last.click()
    instances.click()
    admin.get_by_role("link", name=NAME).click()
    admin.locator(".nav-tabs").get_by_role("link", name="Size").click()
    tab = SizeTab(admin)
    tab.drag("vCPUs", 4)
    expect(tab.box("vCPUs")).to_have_value("4")
    expect(tab.plan).to_contain_text("It would be admitted")
    expect(tab.plan).to_contain_text("4 vCPUs, 512 MiB would be claimed")
    expect(tab.plan).to_contain_text(re.compile(r"Used of the project's quota: .* after this"))
    expect(tab.plan).to_contain_text(f"Used of host {cloud.host(web)}, as Nova counts: ")
    looks.take(admin, "size-before")
    tab.apply.click()
    expect(admin.get_by_text("is admitted (req-")).to_be_visible()
    expect(tab.lamp("seen in the guest")).to_contain_text("done")
    expect(tab.number("vCPUs", "in the guest")).to_have_text("4")
    expect(tab.live).to_contain_text("nothing is left to do")
    looks.take(admin, "size-grown")
    assert is_seen_at(cloud, web, GROWN)


def test_server_shrinks_by_keyboard(admin: Page, web: str, cloud: Cloud) -> None:
    cloud.resize(web, Size(3, 1024))
    cloud.settle(web, Witnesses(*[Size(3, 1024)] * 3))
    tab = SizeTab.opened(admin, web)
    slider = tab.slider("vCPUs")
    slider.focus()
    slider.press("ArrowLeft")
    slider.press("ArrowLeft")
    expect(tab.box("vCPUs")).to_have_value("1")
    tab.box("Memory").fill("768")
    expect(tab.plan).to_contain_text("3 vCPUs, 1024 MiB would stay claimed until")
    tab.apply.press("Enter")
    expect(tab.number("Memory", "claimed")).to_have_text("768")
    expect(tab.number("vCPUs", "set")).to_have_text("1")
    assert is_seen_at(cloud, web, Size(1, 768))


def test_refusal_is_shown_before_it_is_risked(
    admin: Page, web: str, cloud: Cloud, owner: Cloud, looks: Looks
) -> None:
    project = owner.connection.current_project_id
    cloud.connection.compute.update_quota_set(project, cores=2)
    try:
        tab = SizeTab.opened(admin, web)
        tab.drag("vCPUs", 8)
        expect(tab.plan).to_contain_text("xloud.quota")
        expect(tab.plan).to_contain_text("What to do:")
        expect(tab.apply).to_be_disabled()
        looks.take(admin, "size-refused")
        tab.drag("vCPUs", 2)
        expect(tab.plan).to_contain_text("It would be admitted")
        expect(tab.apply).to_be_enabled()
    finally:
        cloud.connection.compute.revert_quota_set(project)
    assert cloud.claimed(web) == Size(1, 512)


def test_guest_that_refuses_has_its_remedy_beside_it(
    admin: Page, cloud: Cloud, owner: Cloud, looks: Looks
) -> None:
    with served(owner, cloud, NAME, "xloud-no-removal", contents.WEB.name) as stubborn:
        cloud.resize(stubborn, Size(3, 512))
        cloud.settle(stubborn, Witnesses(*[Size(3, 512)] * 3))
        tab = SizeTab.opened(admin, stubborn)
        tab.drag("vCPUs", 1)
        expect(tab.plan).to_contain_text("It would be admitted")
        tab.apply.click()
        card = tab.live.locator(".xloud-card").filter(has_text="xloud.guest_refused")
        expect(card).to_contain_text("What to do:")
        looks.take(admin, "size-guest-refuses")
        # What is paid for is what the guest still has.
        assert cloud.claimed(stubborn) == Size(3, 512)
        card.locator("summary").filter(has_text="Hard reboot").click()
        card.get_by_role("button", name="Hard reboot now").click()
        # Asked once: Horizon would ask again for each button with its class for danger.
        expect(admin.get_by_text("Hard reboot: ")).to_be_visible()
        expect(tab.number("vCPUs", "claimed")).to_have_text("1")
        assert cloud.settle(stubborn, Witnesses(*[Size(1, 512)] * 3)).placement == Size(1, 512)


@pytest.mark.parametrize("value", ["0", "17"])
def test_number_out_of_bounds_is_not_sent(admin: Page, web: str, cloud: Cloud, value: str) -> None:
    tab = SizeTab.opened(admin, web)
    tab.box("vCPUs").fill(value)
    # The browser says why beside the box, and sends nothing.
    tab.apply.click()
    assert tab.box("vCPUs").evaluate("box => box.validationMessage")
    assert cloud.claimed(web) == Size(1, 512)


def test_form_without_a_size_says_what_it_needs(admin: Page, web: str) -> None:
    tab = SizeTab.opened(admin, web)
    tab.box("vCPUs").fill("")
    tab.box("Memory").fill("")
    expect(tab.plan).to_contain_text("Name a number of vCPUs")
    expect(tab.apply).to_be_disabled()
