"""Glance, with its images as files."""

import shutil

from lab.layout import Layout
from lab.processes import Daemon, run_command
from lab.services import config, database, web

STORES = {"lab": "images", "os_glance_staging_store": "staging", "os_glance_tasks_store": "tasks"}


def configure(layout: Layout) -> None:
    """Write the configuration files of Glance."""
    folder = layout.etc / "glance"
    stores = {}
    for section, name in STORES.items():
        path = layout.state / "glance" / name
        path.mkdir(parents=True, exist_ok=True)
        stores[section] = {"filesystem_store_datadir": path}
    config.write(
        folder / "glance-api.conf",
        {
            "DEFAULT": {"enabled_backends": "lab:file"},
            "glance_store": {"default_backend": "lab"},
            **stores,
            "database": {"connection": database.connection(layout, "glance")},
            "keystone_authtoken": config.token_auth(layout),
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": folder / "glance-api-paste.ini",
            },
            "oslo_concurrency": {"lock_path": layout.run / "locks"},
        },
    )
    shutil.copyfile(
        layout.venv_etc / "glance" / "glance-api-paste.ini", folder / "glance-api-paste.ini"
    )


def create_database(layout: Layout) -> None:
    """Create the schema of Glance's database, unless that was done for this release."""
    settings = str(layout.etc / "glance" / "glance-api.conf")
    command = [layout.program("glance-manage"), "--config-file", settings, "db_sync"]
    database.create_once(
        layout, "glance", ("glance",), lambda: run_command(layout, "glance-manage", command)
    )


def daemons(layout: Layout) -> list[Daemon]:
    """Return the daemons of Glance."""
    folder = layout.etc / "glance"
    return [
        web.daemon(
            layout,
            "glance",
            "glance.wsgi.api:application",
            port="glance",
            environment={"OS_GLANCE_CONFIG_DIR": str(folder)},
            made_of=[folder / "glance-api.conf"],
        )
    ]
