"""Makes a compute report at least 32 CPUs, however few the machine has.

Nova gives Placement the host's CPU count as the largest number of VCPU that one instance may have
(``max_unit``), whatever the allocation ratio. On a machine of two cores no instance could ever have
three vCPUs. libvirt counts CPUs in sysfs. So on a small machine a compute has, in its own mount
namespace, two folders of sysfs with files that are written here. QEMU's threads share the real
cores; pinning a guest to a CPU that does not exist fails, as it should.
"""

import os
import shutil
from pathlib import Path

from lab.layout import Compute

AT_LEAST = 32
CPU_FOLDER = Path("/sys/devices/system/cpu")
NODE_FOLDER = Path("/sys/devices/system/node")


def write(compute: Compute) -> bool:
    """Write the files of sysfs for the compute, unless the machine has enough CPUs.

    :returns: whether files were written
    """
    folder = compute.root / "sys"
    shutil.rmtree(folder, ignore_errors=True)
    if (os.cpu_count() or 1) >= AT_LEAST:
        return False
    _write_files(folder / "cpu", _cpu_files(AT_LEAST))
    if NODE_FOLDER.exists():
        _write_files(folder / "node", _node_files(AT_LEAST, Path("/proc/meminfo").read_text()))
        for number in range(AT_LEAST):
            link = folder / "node" / "node0" / f"cpu{number}"
            link.symlink_to(f"../../cpu/cpu{number}")
    return True


def _write_files(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")


def _cpu_files(count: int) -> dict[str, str]:
    """Return the files for one socket of ``count`` cores with one thread each, by their path.

    The kernel documents them in sysfs-devices-system-cpu.
    """
    everyone, all_mask = f"0-{count - 1}", f"{(1 << count) - 1:x}"
    files = {name: everyone for name in ("online", "possible", "present")}
    files |= {"offline": "", "isolated": "", "kernel_max": "255"}
    for number in range(count):
        own, own_mask = str(number), f"{1 << number:x}"
        topology = {
            "physical_package_id": "0",
            "die_id": "0",
            "cluster_id": "0",
            "core_id": own,
            "thread_siblings": own_mask,
            "thread_siblings_list": own,
            "core_cpus": own_mask,
            "core_cpus_list": own,
            "core_siblings": all_mask,
            "core_siblings_list": everyone,
            "die_cpus": all_mask,
            "die_cpus_list": everyone,
            "package_cpus": all_mask,
            "package_cpus_list": everyone,
        }
        files |= {f"cpu{number}/topology/{name}": value for name, value in topology.items()}
        files[f"cpu{number}/online"] = "1"
    return files


def _node_files(count: int, meminfo: str) -> dict[str, str]:
    """Return the files for one NUMA node with all CPUs and all memory, by their path.

    :param meminfo: the content of /proc/meminfo
    """
    memory = "\n".join(f"Node 0 {line}" for line in meminfo.splitlines())
    files = {name: "0" for name in ("online", "possible", "has_cpu", "has_memory")}
    return files | {
        "has_normal_memory": "0",
        "node0/cpulist": f"0-{count - 1}",
        "node0/cpumap": f"{(1 << count) - 1:x}",
        "node0/distance": "10",
        "node0/meminfo": memory,
    }
