"""The panels Elastic servers and Elastic hosts."""

from playwright.sync_api import Page, expect

from lab import contents
from lab.cloud import BUILD_SECONDS, Cloud, Size, Witnesses
from tests.e2e.browser.axe import is_clean
from tests.e2e.browser.conftest import NAME, WAIT_MILLISECONDS, served
from tests.e2e.browser.looks import Looks


def test_selected_servers_are_shrunk_to_their_minimums(
    admin: Page, cloud: Cloud, looks: Looks
) -> None:
    # The administrator's own project: the panel lists the project that one is in.
    flavor, image = contents.WEB.name, "xloud-agent"
    with (
        served(cloud, cloud, f"{NAME}-1", image, flavor) as first,
        served(cloud, cloud, f"{NAME}-2", image, flavor) as second,
    ):
        for server in (first, second):
            cloud.resize(server, Size(3, 1024))
            cloud.settle(server, Witnesses(*[Size(3, 1024)] * 3))
        admin.goto("/project/elastic_servers/")
        totals = admin.locator(".xloud-totals")
        expect(totals).to_contain_text("6 vCPUs, 2048 MiB")
        expect(totals).to_contain_text("4 vCPUs, 1024 MiB")
        row = admin.locator("tr").filter(has_text=f"{NAME}-1")
        # Horizon hides the box itself, and shows its label instead.
        row.locator(".themable-checkbox label").click()
        expect(row.get_by_role("checkbox", include_hidden=True)).to_be_checked()
        looks.take(admin, "elastic-servers")
        admin.get_by_role("button", name="Shrink to the minimum").click()
        expect(admin.get_by_role("region", name="Sizes")).to_contain_text("1 vCPU, 512 MiB")
        is_clean(admin)
        assert cloud.claimed(first) == Size(3, 1024)
        admin.get_by_role("button", name="Adjust the selected servers").click()
        expect(admin.get_by_text(f"Admitted: {NAME}-1")).to_be_visible()
        assert cloud.settle(first, Witnesses(*[Size(1, 512)] * 3)).placement == Size(1, 512)
        assert cloud.claimed(second) == Size(3, 1024)


def test_recommended_sizes_are_shown_before_any_is_applied(
    admin: Page, busy: str, cloud: Cloud, looks: Looks
) -> None:
    def is_recommended() -> bool:
        told = cloud.xloud_status(busy).body["xloud_status"]["autoscale"]["recommendation"]
        return told is not None and told["vcpus"] > 1

    cloud.wait("more vCPUs to be recommended", is_recommended, WAIT_MILLISECONDS / 1000)
    admin.goto("/project/elastic_servers/")
    admin.locator("tr").filter(has_text=NAME).locator(".themable-checkbox label").click()
    admin.get_by_role("button", name="Adjust as recommended").click()
    table = admin.get_by_role("region", name="Sizes")
    expect(table).to_contain_text(NAME)
    expect(table).to_contain_text("grow.cpu_busy")
    is_clean(admin)
    looks.take(admin, "elastic-servers-recommended")
    assert cloud.claimed(busy).vcpus == 1
    admin.get_by_role("button", name="Adjust the selected servers").click()
    expect(admin.get_by_text(f"Admitted: {NAME}")).to_be_visible()
    assert cloud.claimed(busy).vcpus > 1


def test_hosts_show_what_is_promised_and_where_to_get_it_back(
    admin: Page, web: str, cloud: Cloud, looks: Looks
) -> None:
    cloud.resize(web, Size(4, 1024))
    cloud.settle(web, Witnesses(*[Size(4, 1024)] * 3))
    admin.goto("/admin/elastic_hosts/")
    host = admin.get_by_role("region", name=str(cloud.host(web)))
    expect(host).to_contain_text("2048 MiB")
    expect(host).to_contain_text("3 vCPUs, 512 MiB would be free")
    used = host.locator(".xloud-numbers > div").filter(has_text="of it used").locator("dd").first

    def is_counted() -> bool:
        # Nova's own sums of a host follow within a minute.
        admin.reload()
        return used.inner_text() == "4 vCPUs"

    cloud.wait("the host's sums to have what the server holds", is_counted, BUILD_SECONDS)
    looks.take(admin, "elastic-hosts")
    host.get_by_role("link", name=NAME).click()
    expect(admin.locator("section.xloud-size")).to_be_visible()
