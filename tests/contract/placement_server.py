# SPDX-License-Identifier: Apache-2.0
"""Serves one Placement on 127.0.0.1: the one that is found first on the path.

``python placement_server.py FOLDER``: its configuration and database are written to FOLDER. Prints
Placement's version and the port that the server has got. Every token is an administrator's.
"""

import importlib.metadata
import os
import sys
from pathlib import Path

import waitress
from oslo_config import cfg
from oslo_policy import opts

SETTINGS = """\
[DEFAULT]
log_file = {folder}/placement.log
[placement_database]
connection = sqlite:///{folder}/placement.db
sync_on_startup = true
[api]
auth_strategy = noauth2
"""


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "placement.conf").write_text(SETTINGS.format(folder=folder))
    os.environ["OS_PLACEMENT_CONFIG_DIR"] = str(folder)
    # Placement before 16 reads an option that later releases of oslo.policy do not have.
    if not any(option.name == "enforce_scope" for option in opts._options):
        opts._options.append(cfg.BoolOpt("enforce_scope", default=True))
    from placement import wsgi

    server = waitress.create_server(wsgi.init_application(), host="127.0.0.1", port=0, threads=2)
    version = importlib.metadata.version("openstack-placement")
    sys.stdout.write(f"{version} {server.effective_port}\n")
    sys.stdout.flush()
    server.run()


if __name__ == "__main__":
    main()
