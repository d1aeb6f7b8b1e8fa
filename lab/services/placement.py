"""Placement."""

from lab.layout import Layout
from lab.processes import Daemon, run_command
from lab.services import config, database, web


def configure(layout: Layout) -> None:
    config.write(
        layout.etc / "placement" / "placement.conf",
        {
            "placement_database": {"connection": database.connection(layout, "placement")},
            "api": {"auth_strategy": "keystone"},
            "keystone_authtoken": config.token_auth(layout),
        },
    )


def create_database(layout: Layout) -> None:
    settings = str(layout.etc / "placement" / "placement.conf")
    command = [layout.program("placement-manage"), "--config-file", settings, "db", "sync"]
    database.create_once(
        layout,
        "openstack-placement",
        ("placement",),
        lambda: run_command(layout, "placement-manage", command),
    )


def daemons(layout: Layout) -> list[Daemon]:
    folder = layout.etc / "placement"
    return [
        web.daemon(
            layout,
            "placement",
            "placement.wsgi.api:application",
            port="placement",
            environment={"OS_PLACEMENT_CONFIG_DIR": str(folder)},
            made_of=[folder / "placement.conf"],
        )
    ]
