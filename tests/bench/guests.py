"""Two like guests: one of a server, and one that libvirt alone knows; and what each shows."""

import concurrent.futures
import contextlib
import copy
import os
import pathlib
import shutil
import time
import uuid
from xml.etree import ElementTree

import libvirt

from lab import guest, hypervisor
from lab.errors import NotSettled

# Seconds between two looks at what a guest has printed.
_LOOK = 0.005
_PATIENCE = 120
# Of a console: more than the longest line.
_TAIL_BYTES = 2048
NAME = "xloud-bench-plain"


class Console:
    """What a guest prints about itself, read where virtlogd writes it: no API is asked."""

    def __init__(self, path):
        self._path = pathlib.Path(path)

    def has(self, size):
        """Whether the guest said last that it has this size."""
        said = guest.last_report(tail(self._path, _TAIL_BYTES))
        return said is not None and (said.cpus, said.held_mb) == (size.vcpus, size.memory_mb)

    def wait(self, size, doing=None):
        """Until the guest says so.

        :param doing: a future, of what is to lead there; where it fails, its error is raised
        """
        end = time.monotonic() + _PATIENCE
        while not self.has(size):
            if doing is not None and doing.done() and doing.exception():
                raise doing.exception()
            if time.monotonic() > end:
                raise NotSettled(f"{self._path} does not show {size} in {_PATIENCE} s")
            time.sleep(_LOOK)


def tail(path, most):
    """The last bytes of a file; none where it is not there yet."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most))
            return file.read()
    except FileNotFoundError:
        return b""


def seconds_until_seen(console, size, action):
    """Do it, and time it until the guest shows the size.

    :return: ``(seconds until it was seen, what the action returned)``; the action may end later
    """
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        began = time.perf_counter()
        doing = pool.submit(action)
        console.wait(size, doing)
        seconds = time.perf_counter() - began
        return seconds, doing.result()


def console_of(cloud, server):
    """The :class:`Console` of a server's guest."""
    return Console(_console_path(_definition(cloud, server)))


class Plain:
    """A guest that only libvirt knows, and how one sets its size there.

    :ivar console: its :class:`Console`
    """

    def __init__(self, domain, console):
        self._domain = domain
        self.console = console

    def set(self, before, after):
        """``virsh setvcpus --live`` and ``virsh setmem --live``, of what differs."""
        live = libvirt.VIR_DOMAIN_AFFECT_LIVE
        if after.memory_mb != before.memory_mb:
            self._domain.setMemoryFlags(after.memory_mb * 1024, live)
        if after.vcpus != before.vcpus:
            self._domain.setVcpusFlags(after.vcpus, live)


@contextlib.contextmanager
def plain(cloud, server, size):
    """A :class:`Plain` guest beside that of a server, with the same definition; it has ``size``.

    It is transient, on the same libvirtd, with a copy of the disk.
    """
    folder = cloud.layout.state / "bench"
    folder.mkdir(exist_ok=True)
    root = _like(_definition(cloud, server), folder)
    connection = libvirt.open(hypervisor.connect_uri(cloud.layout.computes[0]))
    try:
        domain = connection.createXML(ElementTree.tostring(root, encoding="unicode"))
        try:
            made = Plain(domain, Console(_console_path(root)))
            made.console.wait(size)
            yield made
        finally:
            domain.destroy()
    finally:
        connection.close()
        shutil.rmtree(folder)


def _definition(cloud, server):
    """What libvirt would start a server's guest with."""
    with cloud.domain(server) as domain:
        return ElementTree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def _like(root, folder):
    """The definition of another guest, alike but for what has to be its own."""
    root = copy.deepcopy(root)
    root.attrib.pop("id", None)
    root.find("name").text = NAME
    root.find("uuid").text = str(uuid.uuid4())
    # They name the server again.
    for path in ("metadata", "sysinfo", "os/smbios", "seclabel"):
        parent = root.find(path.rpartition("/")[0] or ".")
        for one in parent.findall(path.rpartition("/")[2]):
            parent.remove(one)
    for number, disk in enumerate(root.findall("devices/disk")):
        source = disk.find("source")
        if source is not None and source.get("file"):
            own = folder / f"disk{number}"
            shutil.copyfile(source.get("file"), own)
            source.set("file", str(own))
    log = root.find("devices/serial/log")
    log.set("file", str(folder / "console.log"))
    for other in root.findall("devices/console/log"):
        other.set("file", str(folder / "console.log"))
    return root


def _console_path(root):
    return root.find("devices/serial/log").get("file")
