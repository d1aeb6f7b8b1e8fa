"""Neutron: the real server, with no agents and no mechanism drivers.

It answers all of Nova's requests, but servers of the lab are created without a network. Neutron's
migrations cannot run on SQLite, so its tables are made from its models (as its own functional tests
do) and the database is stamped with the newest migration.
"""

import shutil
import sys

from lab.layout import Layout
from lab.processes import Daemon, run_command
from lab.services import config, database, web


def configure(layout: Layout) -> None:
    """Write the configuration files of Neutron."""
    folder = layout.etc / "neutron"
    state = layout.state / "neutron"
    state.mkdir(parents=True, exist_ok=True)
    config.write(
        folder / "neutron.conf",
        {
            "DEFAULT": {
                "core_plugin": "ml2",
                "service_plugins": "",
                "auth_strategy": "keystone",
                "state_path": state,
                "api_paste_config": folder / "api-paste.ini",
                "transport_url": config.messaging(layout),
                "rpc_workers": 0,
                # Nothing could ever report that a port is up.
                "notify_nova_on_port_status_changes": "false",
                "notify_nova_on_port_data_changes": "false",
            },
            "ml2": {
                "type_drivers": "local",
                "tenant_network_types": "local",
                "mechanism_drivers": "",
                "extension_drivers": "",
            },
            "database": {"connection": database.connection(layout, "neutron")},
            "keystone_authtoken": config.token_auth(layout),
            "oslo_concurrency": {"lock_path": layout.run / "locks"},
        },
    )
    shutil.copyfile(layout.venv_etc / "neutron" / "api-paste.ini", folder / "api-paste.ini")


def create_database(layout: Layout) -> None:
    """Create the schema of Neutron's database, unless that was done for this release."""
    settings = str(layout.etc / "neutron" / "neutron.conf")
    stamp = [layout.program("neutron-db-manage"), "--config-file", settings, "stamp", "heads"]
    tables = [layout.program("python"), "-m", "lab.services.neutron"]

    def make() -> None:
        run_command(layout, "neutron-db-manage", [*tables, database.connection(layout, "neutron")])
        run_command(layout, "neutron-db-manage", stamp)

    database.create_once(layout, "neutron", ("neutron",), make)


def daemons(layout: Layout) -> list[Daemon]:
    """Return the daemons of Neutron."""
    settings = layout.etc / "neutron" / "neutron.conf"
    return [
        web.daemon(
            layout,
            "neutron",
            "lab.services.neutron_wsgi:application",
            port="network",
            arguments=["--config-file", str(settings)],
            made_of=[settings],
        )
    ]


def _create_tables(url: str) -> None:
    """Create the tables of Neutron's models in the database at ``url``.

    This runs in a process of its own: importing the models imports most of Neutron.
    """
    import sqlalchemy
    from neutron.db.migration.models import head

    head.model_base.BASEV2.metadata.create_all(sqlalchemy.create_engine(url))


if __name__ == "__main__":
    _create_tables(sys.argv[1])
