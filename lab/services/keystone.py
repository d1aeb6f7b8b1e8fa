"""Keystone, with fernet tokens. lab.contents fills its catalog."""

import base64
import os

from lab.layout import Layout
from lab.processes import Daemon, run_command
from lab.services import config, database, web


def configure(layout: Layout) -> None:
    """Write the configuration files of Keystone."""
    folder = layout.etc / "keystone"
    config.write(
        folder / "keystone.conf",
        {
            "DEFAULT": {"public_endpoint": layout.url("keystone")},
            "database": {"connection": database.connection(layout, "keystone")},
            "fernet_tokens": {"key_repository": folder / "fernet-keys"},
            "fernet_receipts": {"key_repository": folder / "fernet-keys"},
            "cache": {"enabled": "true", "backend": "oslo_cache.dict"},
            "oslo_policy": {"enforce_scope": "true"},
        },
    )
    keys = folder / "fernet-keys"
    if not keys.exists():
        keys.mkdir(mode=0o700)
        # 0 is the staged key, the highest number the primary one.
        for number in ("0", "1"):
            (keys / number).write_bytes(base64.urlsafe_b64encode(os.urandom(32)))


def create_database(layout: Layout) -> None:
    """Create the schema of Keystone's database, unless that was done for this release."""
    settings = ["--config-file", str(layout.etc / "keystone" / "keystone.conf")]
    manage = [layout.program("keystone-manage"), *settings]

    def make() -> None:
        run_command(layout, "keystone-manage", [*manage, "db_sync"])
        secret = {"OS_BOOTSTRAP_PASSWORD": layout.password}
        run_command(layout, "keystone-manage", [*manage, "bootstrap"], environment=secret)

    database.create_once(layout, "keystone", ("keystone",), make)


def daemons(layout: Layout) -> list[Daemon]:
    """Return the daemons of Keystone."""
    folder = layout.etc / "keystone"
    return [
        web.daemon(
            layout,
            "keystone",
            "keystone.wsgi.api:application",
            port="keystone",
            environment={"OS_KEYSTONE_CONFIG_DIR": str(folder)},
            made_of=[folder / "keystone.conf"],
        )
    ]
