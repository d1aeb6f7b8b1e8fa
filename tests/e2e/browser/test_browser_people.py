"""Who sees what: a member without the policy, another project, and a host that is down."""

import re

from playwright.sync_api import APIResponse, Page, expect

from lab import contents, lifecycle, processes
from lab.cloud import Cloud, Size, Witnesses
from lab.layout import Layout
from tests.e2e.browser.conftest import NAME
from tests.e2e.browser.looks import Looks
from tests.e2e.browser.size_tab import SizeTab

ADJUST = "/project/elastic_servers/{}/size/"


def test_member_without_the_policy_sees_the_size_and_no_control(
    member: Page, web: str, cloud: Cloud, looks: Looks
) -> None:
    tab = SizeTab.opened(member, web, "project")
    expect(tab.number("Memory", "claimed")).to_have_text("512")
    expect(tab.section).to_contain_text("you may see the size of this server, and not change it")
    expect(tab.section.locator("button, select, input:not([type=hidden])")).to_have_count(0)
    looks.take(member, "size-member")
    member.goto("/project/elastic_servers/")
    table = member.get_by_role("region", name="Elastic servers")
    expect(table).to_contain_text("512 of 2048 MiB")
    expect(table.get_by_role("button")).to_have_count(0)


def sent(page: Page, server_id: str) -> APIResponse:
    """Send what the form for 4 vCPUs would send, with the token of the page's own session."""
    token = next(one["value"] for one in page.context.cookies() if one["name"] == "csrftoken")
    values = {"vcpus": "4", "do": "apply", "back": "project", "csrfmiddlewaretoken": token}
    return page.request.post(ADJUST.format(server_id), form=values, max_redirects=0)


def test_form_that_a_member_makes_up_is_refused_and_an_admins_is_not(
    member: Page, admin: Page, web: str, cloud: Cloud
) -> None:
    for page in (member, admin):
        SizeTab.opened(page, web, "project" if page is member else "admin")
    refused = sent(member, web)
    assert refused.status == 403
    assert "You are not authorized" in refused.text()
    assert cloud.claimed(web) == Size(1, 512)
    # The same values by who may: so it is the user that was refused, and not the form.
    assert sent(admin, web).status == 302
    grown = Witnesses(*[Size(4, 512)] * 3)
    assert cloud.settle(web, grown) == grown


def test_member_does_not_find_the_admins_pages(member: Page) -> None:
    member.goto("/project/")
    expect(member.get_by_role("link", name="Elastic servers")).to_have_count(1)
    expect(member.get_by_role("link", name="Elastic hosts")).to_have_count(0)
    answer = member.goto("/admin/elastic_hosts/")
    assert answer is not None
    expect(member.locator(".xloud-host")).to_have_count(0)


def test_server_of_another_project_is_not_found(member: Page, cloud: Cloud) -> None:
    others = cloud.create(f"{NAME}-others", contents.WEB.name)
    try:
        live = f"/project/elastic_servers/{others}/live/"
        page = member.request.get(ADJUST.format(others))
        assert page.status == 404
        assert member.request.get(live).status == 404
        read = member.request.get(live, headers={"X-Requested-With": "XMLHttpRequest"})
        assert read.status == 404
        assert "could not be found" in read.json()["html"]
        assert "xloud-numbers" not in page.text() + read.text()
        member.goto(f"/project/instances/{others}/")
        expect(member).to_have_url(re.compile("/project/instances/$"))
    finally:
        cloud.delete(others)


def test_host_that_is_down_is_said_and_the_size_still_shown(
    admin: Page, web: str, cloud: Cloud, lab: Layout, looks: Looks
) -> None:
    cloud.resize(web, Size(2, 512))
    cloud.settle(web, Witnesses(*[Size(2, 512)] * 3))
    host = cloud.host(web)
    compute = next(one for one in lab.computes if one.hostname == host)
    processes.stop(lab, [compute.daemon("nova-compute")])
    try:
        tab = SizeTab.opened(admin, web)
        expect(tab.number("Memory", "claimed")).to_have_text("512")
        expect(tab.number("Memory", "in the guest")).to_have_text("unknown")
        expect(tab.lamp("seen in the guest")).to_contain_text("nobody can tell")
        looks.take(admin, "size-host-down")
    finally:
        lifecycle.start_compute(lab, compute)
