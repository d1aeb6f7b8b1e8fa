"""Nova: API, conductor, scheduler, and a nova-compute for each compute host.

They are extended by nova-xloud, and each is started as nova-xloud's documentation says. With
LAB_STOCK_NOVA=1 they are not extended.

Servers move between the computes as in a cloud with shared storage: no ssh, and no libvirtd that
listens on TCP. libvirt has to be configured for shared storage (QEMU_CONF of lab.hypervisor), or it
refuses live migration as unsafe; libvirt 9.0 has no such setting.
"""

import os
import shutil
from pathlib import Path

from lab import hypervisor
from lab.layout import REPOSITORY, Compute, Layout, compute_of
from lab.processes import Daemon, run_command
from lab.services import config, database, web

PACKAGE = REPOSITORY / "src" / "nova_xloud"

# The port of the cell's broker is that of the nova.conf that reads the mapping, so that another
# ``up`` may take another port.
CELL_TRANSPORT = "{scheme}://{username}:{password}@{hostname}:{port}/"

# privsep contexts that run as root; each gets a daemon, started when first needed.
PRIVILEGED = ("nova_sys_admin", "vif_plug_ovs_privileged", "privsep_osbrick")


def is_stock() -> bool:
    """Return whether Nova is to run without nova-xloud, which LAB_STOCK_NOVA=1 asks for."""
    return os.environ.get("LAB_STOCK_NOVA") == "1"


def configure(layout: Layout) -> None:
    """Write the configuration files of Nova."""
    folder = layout.etc / "nova"
    config.write(folder / "nova.conf", _sections(layout))
    shutil.copyfile(layout.venv_etc / "nova" / "api-paste.ini", folder / "api-paste.ini")
    for compute in layout.computes:
        config.write(compute.nova_conf, _compute_sections(layout, compute))
        compute.state.mkdir(parents=True, exist_ok=True)


def _common_sections(layout: Layout) -> dict[str, dict[str, object]]:
    # The catalog has public endpoints only.
    auth = {**config.service_auth(layout), "valid_interfaces": "public"}
    return {
        "DEFAULT": {
            "transport_url": config.messaging(layout),
            # One address for all computes: by that Nova's libvirt driver knows that another host
            # has the same instances_path, and copies nothing there over ssh.
            "my_ip": "127.0.0.1",
            # Periodic tasks begin at once, not at some time within the first minute.
            "periodic_fuzzy_delay": 0,
            # Seconds that a service has for ending the work in progress after SIGTERM.
            "graceful_shutdown_timeout": 8,
            "state_path": layout.state / "nova",
            "allow_resize_to_same_host": "true",
        },
        "service_user": {**auth, "send_service_user_token": "true"},
        "placement": auth,
        "glance": auth,
        "neutron": auth,
        "oslo_concurrency": {"lock_path": layout.run / "locks"},
        "xloud": {
            # Short, so that guests are checked again, and given up, within the time of a test.
            "reconcile_interval": 5,
            "boot_grace": 10,
            # More than the guest "slow-removal" takes to give a vCPU back.
            "step_timeout": 12,
            "offline_vcpus": "true",
        },
    }


def _sections(layout: Layout) -> config.Sections:
    return {
        **_common_sections(layout),
        "api_database": {"connection": database.connection(layout, "nova_api")},
        "database": {"connection": database.connection(layout, "nova")},
        "keystone_authtoken": config.token_auth(layout),
        "conductor": {"workers": 1},
        # A new compute can be used without an operator's nova-manage.
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 5},
        # What one project may hold is not what the lab is about.
        "quota": {"instances": 50, "cores": 400, "ram": 400 * 1024},
    }


def _compute_sections(layout: Layout, compute: Compute) -> config.Sections:
    """Return the configuration of a nova-compute: without a database, as Nova demands."""
    common = _common_sections(layout)
    helper = f"{layout.program('privsep-helper')} --config-file {compute.nova_conf}"
    return {
        **common,
        "xloud": {**common["xloud"], **_metrics(layout, compute)},
        "DEFAULT": {
            **common["DEFAULT"],
            "host": compute.hostname,
            "state_path": compute.state,
            "instances_path": layout.instances,
            "manager_shutdown_timeout": 3,
            "compute_driver": "libvirt.LibvirtDriver",
            # If true, a cold migration makes a qcow2 of a raw disk, and calls it raw (Nova 34.0.0).
            "use_cow_images": "false",
            "reserved_host_memory_mb": 1024,
            # The guest's shutdown takes two seconds; a guest that ignores it shall not take 60.
            "shutdown_timeout": 15,
            "cpu_allocation_ratio": 16.0,
            "ram_allocation_ratio": 1.0,
        },
        "libvirt": {
            "connection_uri": hypervisor.connect_uri(compute),
            "virt_type": os.environ.get("LAB_VIRT_TYPE", "qemu"),
            "cpu_mode": "none",
            "images_type": "raw",
            # The disks are empty: a snapshot is then as small as what is in it.
            "snapshot_image_format": "qcow2",
            # The sockets of the computes are where all of them see them, and no libvirtd has to
            # listen on TCP. (live_migration_scheme, which Nova would rather have, knows no path.)
            "live_migration_uri": live_migration_uri(layout),
            # Balloon statistics are then never older than a second, and tests need not wait.
            "mem_stats_period_seconds": 1,
        },
        "vnc": {"enabled": "false"},
        "spice": {"enabled": "false"},
        "serial_console": {"enabled": "false"},
        **{context: {"helper_command": helper} for context in PRIVILEGED},
    }


def _metrics(layout: Layout, compute: Compute) -> dict[str, object]:
    port = metrics_port(layout, compute)
    return {} if port is None else {"metrics_port": port}


def metrics_port(layout: Layout, compute: Compute) -> int | None:
    """Return the port for a nova-compute's metrics; None for a compute that a test has added."""
    return layout.ports.get(f"metrics-{compute.hostname}")


def live_migration_uri(layout: Layout) -> str:
    """Return the URI of a compute's libvirtd, with %s in place of the hostname."""
    any_host = compute_of(Path(str(layout.state).replace("%", "%%")), "%s")
    return hypervisor.connect_uri(any_host)


def create_database(layout: Layout) -> None:
    """Create the schema of Nova's database, unless that was done for this release."""
    names = ("nova_api", "nova_cell0", "nova")
    database.create_once(layout, "nova", names, lambda: _make_databases(layout))


def _make_databases(layout: Layout) -> None:
    def manage(*arguments: str) -> None:
        settings = str(layout.etc / "nova" / "nova.conf")
        command = [layout.program("nova-manage"), "--config-file", settings, *arguments]
        run_command(layout, "nova-manage", command)

    cell0 = database.connection(layout, "nova_cell0")
    cell1 = database.connection(layout, "nova")
    manage("api_db", "sync")
    manage("cell_v2", "map_cell0", "--database_connection", cell0)
    manage("db", "sync")
    create = ("cell_v2", "create_cell", "--name", "cell1", "--transport-url", CELL_TRANSPORT)
    manage(*create, "--database_connection", cell1)


def daemons(layout: Layout) -> list[Daemon]:
    """Return the daemons of Nova but nova-compute, with nova-api first."""
    folder = layout.etc / "nova"
    module = "nova.wsgi" if is_stock() else "nova_xloud.wsgi"
    api = web.daemon(
        layout,
        "nova-api",
        f"{module}.osapi_compute:application",
        port="nova",
        environment={"OS_NOVA_CONFIG_DIR": str(folder)},
        made_of=[folder / "nova.conf", *_package()],
    )
    return [api, *(_service(layout, name) for name in ("nova-conductor", "nova-scheduler"))]


def compute_daemon(layout: Layout, compute: Compute) -> Daemon:
    """Return the daemon nova-compute of one host."""
    return _service(layout, "nova-compute", compute)


def _service(layout: Layout, program: str, compute: Compute | None = None) -> Daemon:
    settings = compute.nova_conf if compute else layout.etc / "nova" / "nova.conf"
    name = compute.daemon(program) if compute else program
    runner = (
        [layout.program(program)] if is_stock() else [layout.program("nova-xloud-run"), program]
    )
    return Daemon(
        name=name,
        command=[*runner, "--config-file", str(settings)],
        # lab.lifecycle waits until the API has the service as up.
        healthy=lambda: True,
        made_of=[settings, Path(database.__file__).with_name("lab_sqlite.py"), *_package()],
    )


def _package() -> list[Path]:
    return [] if is_stock() else [PACKAGE]
