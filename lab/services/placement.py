"""Placement: its configuration, its database, and its daemon."""

from lab.layout import Layout
from lab.processes import Daemon, run_command
from lab.services import config, database, web


def configure(layout: Layout) -> None:
    """Write the configuration files of Placement."""
    config.write(
        layout.etc / "placement" / "placement.conf",
        {
            "placement_database": {"connection": database.connection(layout, "placement")},
            "api": {"auth_strategy": "keystone"},
            "keystone_authtoken": config.token_auth(layout),
        },
    )


def create_database(layout: Layout) -> None:
    """Create the schema of Placement's database, unless that was done for this release."""
    settings = str(layout.etc / "placement" / "placement.conf")
    command = [layout.program("placement-manage"), "--config-file", settings, "db", "sync"]
    database.create_once(
        layout,
        "openstack-placement",
        ("placement",),
        lambda: run_command(layout, "placement-manage", command),
    )


def daemons(layout: Layout) -> list[Daemon]:
    """Return the daemons of Placement."""
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
