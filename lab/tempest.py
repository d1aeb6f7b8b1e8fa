"""Tempest against the lab: its configuration, its workspace, and a run of it.

Tempest creates its own projects and users, and deletes them. Nothing logs in to a guest: the lab's
servers have no network.
"""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab import contents, processes
from lab.layout import Layout
from lab.processes import run_command
from lab.services import config

OURS = ("--regex", "nova_xloud_tempest_plugin", "--serial")
BUILD_SECONDS = 300


def run(lab: Layout, arguments: Sequence[str] = ()) -> int:
    """Run Tempest against the running lab.

    :param arguments: the arguments of ``tempest run``; empty: those that select the plugin's tests
    :returns: Tempest's exit status
    """
    workspace = _ensure_workspace(lab)
    config.write(workspace / "etc" / "tempest.conf", _sections(lab, workspace))
    command = [lab.program("tempest"), "run", *(arguments or OURS)]
    print(f"$ cd {shlex.quote(str(workspace))}; {shlex.join(command)}", flush=True)
    return subprocess.call(command, cwd=workspace, env=processes.daemon_environment(lab))


def _ensure_workspace(lab: Layout) -> Path:
    workspace = lab.state / "tempest"
    if not (workspace / ".stestr.conf").exists():
        # Tempest keeps a list of workspaces, by default in the home of whoever runs it.
        known = str(lab.state / "tempest-workspaces.yaml")
        command = [lab.program("tempest"), "init", "--workspace-path", known, str(workspace)]
        run_command(lab, "tempest-init", command)
    return workspace


def _sections(lab: Layout, workspace: Path) -> config.Sections:
    cloud = contents.connect(lab)
    image = cloud.image.find_image(contents.IMAGE, ignore_missing=False).id
    small, large = (
        cloud.compute.find_flavor(name, ignore_missing=False).id
        for name in ("stock.small", contents.DEMO.name)
    )
    return {
        "DEFAULT": {"log_dir": workspace / "logs", "log_file": "tempest.log"},
        "oslo_concurrency": {"lock_path": workspace / "tempest_lock"},
        "auth": {
            "admin_username": "admin",
            "admin_password": lab.password,
            "admin_project_name": "admin",
            "admin_domain_name": "Default",
            "tempest_roles": "member",
            "create_isolated_networks": "false",
        },
        "identity": {
            "uri_v3": lab.url("keystone", "/v3"),
            "region": config.REGION,
            # The catalog has public endpoints only.
            "v3_endpoint_type": "public",
        },
        "service_available": {"cinder": "false", "swift": "false", "xloud": "true"},
        "compute": {
            "image_ref": image,
            "image_ref_alt": image,
            "flavor_ref": small,
            "flavor_ref_alt": large,
            "min_compute_nodes": len(lab.computes),
            "max_microversion": "2.100",
            "build_timeout": BUILD_SECONDS,
        },
        "compute-feature-enabled": {
            "live_migration": "true",
            "shelve": "true",
            "suspend": "true",
            "resize": "true",
            "console_output": "true",
            "vnc_console": "false",
            "attach_encrypted_volume": "false",
            "config_drive": "false",
        },
        "enforce_scope": {"nova": "true", "keystone": "true"},
        "placement": {"max_microversion": "1.39"},
        "network": {"endpoint_type": "publicURL"},
        "validation": {"run_validation": "false"},
        "xloud": {
            # As many as the lab's own flavors may have, for the same reason.
            "max_vcpus": contents.DEMO.vcpus,
            "adjust_timeout": 120,
        },
    }


def main() -> int:
    """Run Tempest in a lab that is up, and start nothing: ``python -m lab.tempest [ARGS]``."""
    from lab import layout

    return run(layout.load(), sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
