"""Every page of the dashboard's plugin has a picture in the documentation."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
TEMPLATES = REPOSITORY / "src" / "xloud_dashboard" / "templates" / "xloud_dashboard"
PAGE = REPOSITORY / "docs" / "admin" / "dashboard.md"
# The picture of each template that is a page.
PICTURES = {
    "elastic_hosts.html": "elastic-hosts",
    "elastic_servers.html": "elastic-servers",
    "several.html": "elastic-servers-recommended",
    # The tab as a page of its own, for browsers without the script.
    "size.html": "size-grown",
}


def test_every_page_has_a_picture() -> None:
    pages = {path.name for path in TEMPLATES.glob("*.html") if "{% extends" in path.read_text()}
    assert pages == set(PICTURES)
    shown = PAGE.read_text()
    for name in PICTURES.values():
        assert f"](../images/dashboard/{name}.png)" in shown
        assert (REPOSITORY / "docs" / "images" / "dashboard" / f"{name}.png").is_file()
