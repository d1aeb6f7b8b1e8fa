"""The compute hosts of the lab, as far as they need no cloud."""

import signal
import subprocess
from ipaddress import ip_address
from pathlib import Path

from lab import faults, hypervisor, layout, processes
from lab.layout import Layout
from lab.processes import Daemon
from lab.services import nova


def test_libvirt_of_a_host_is_found_wherever_the_lab_is(tmp_path: Path) -> None:
    """Nova puts the hostname into the URI with Python's %, and a folder's name may have one."""
    state = tmp_path / "100% lab"
    for hostname in layout.HOSTNAMES:
        compute = layout.compute_of(state, hostname)
        template = nova.live_migration_uri(Layout(state=state))
        assert template % hostname == hypervisor.connect_uri(compute)


def test_guests_are_received_at_addresses_that_libvirt_takes() -> None:
    addresses = list(layout.HOSTNAMES.values())
    assert len(set(addresses)) == len(addresses)
    assert all(ip_address(address).is_loopback for address in addresses)
    assert "127.0.0.1" not in addresses


def test_crash_ends_a_hosts_guests_and_leaves_its_libvirtd(tmp_path: Path) -> None:
    lab = Layout(state=tmp_path)
    lab.make_folders()
    compute = layout.compute_of(lab.state, "compute2")
    pid_files = compute.run / "libvirt" / "qemu"
    pid_files.mkdir(parents=True)
    guest, libvirtd = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
    name = compute.daemon("nova-compute")
    try:
        (pid_files / "instance-00000001.pid").write_text(f"{guest.pid}\n")
        (pid_files / "driver.pid").write_text(f"{libvirtd.pid}\n")
        processes.start(lab, [Daemon(name, ["sleep", "60"], healthy=lambda: True)])
        faults.crash(lab, compute)
        assert guest.wait(5) == -signal.SIGKILL
        assert libvirtd.poll() is None
        assert not processes.running(lab)
    finally:
        for process in (guest, libvirtd):
            process.kill()
            process.wait()
        processes.stop(lab, [name])
