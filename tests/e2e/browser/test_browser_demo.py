"""What ``make demo-dashboard`` prints leads to the pages, and it may be run again."""

import re

import pytest
from playwright.sync_api import Page, expect

from lab import dashboard, processes
from lab.cloud import Cloud, Size, Witnesses
from lab.dashboard import demo
from lab.layout import Layout
from tests.e2e.browser.size_tab import SizeTab


def test_each_address_that_the_demo_prints_is_a_page(
    admin: Page,
    cloud: Cloud,
    lab: Layout,
    site: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        assert demo.run(lab) == 0
        printed = capsys.readouterr().out
        assert demo.run(lab) == 0
        again = [line for line in capsys.readouterr().out.splitlines() if site in line]
        assert again == [line for line in printed.splitlines() if site in line]
        for told in ("web1      1 vCPU, 512 MiB; grow it", "web2      4 vCPUs, 1536 MiB; "):
            assert told in printed
        addresses = re.findall(rf"{site}/[^\s]+", printed)
        assert len(addresses) == len(demo.SERVERS) + 2
        for address in addresses:
            admin.goto(address)
            expect(admin.locator(".xloud-size, .xloud-table").first).to_be_visible()
        web1 = next(iter(cloud.connection.compute.servers(all_projects=True, name="^web1$"))).id
        tab = SizeTab.opened(admin, web1)
        tab.drag("vCPUs", 3)
        expect(tab.plan).to_contain_text("It would be admitted")
        tab.apply.click()
        expect(tab.number("vCPUs", "in the guest")).to_have_text("3")
        assert cloud.settle(web1, Witnesses(*[Size(3, 512)] * 3)).guest == Size(3, 512)
        # Prometheus scrapes each two seconds, and the page has its chart drawn again.
        expect(tab.section.get_by_text("The last hour")).to_be_visible()
        chart = tab.section.locator(".xloud-chart").first
        expect(chart).to_contain_text("maximum")
    finally:
        processes.stop(lab, ["prometheus"])
        dashboard.start(lab)
        for shown in demo.SERVERS:
            for server in cloud.connection.compute.servers(
                all_projects=True, name=f"^{shown.name}$"
            ):
                cloud.delete(server.id)
