"""A client of the lab's cloud, for the demo and the end-to-end tests.

It reads a server's size from four sources: Nova's API, Placement's API, libvirt through its socket,
and the guest through what it prints on its console, which Nova's API returns.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from xml.etree import ElementTree

import libvirt
from openstack.connection import Connection
from openstack.exceptions import NotFoundException

from lab import contents, faults, guest, hypervisor
from lab.errors import LabError, NotSettled
from lab.layout import Layout
from lab.patience import Patience
from lab.witnesses import Answer, Size, Witnesses

__all__ = ["Answer", "Cloud", "Size", "Witnesses"]

BUILD_SECONDS = 120.0
SETTLE_SECONDS = 45.0
POLL_SECONDS = 0.25
MICROVERSION = "2.100"

# The states in which a server's guest runs.
SPEAKING = ("ACTIVE", "RESCUE", "VERIFY_RESIZE")

T = TypeVar("T")


def _size(resources: Mapping[str, int]) -> Size:
    return Size(resources.get("VCPU", 0), resources.get("MEMORY_MB", 0))


def _liveliness(domain: libvirt.virDomain) -> int:
    return int(domain.isActive()) + (domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING)


class Cloud:
    """The lab's cloud as one of its users sees it, and the libvirt domains of its servers."""

    def __init__(self, layout: Layout, user: str = "admin", project: str = "admin") -> None:
        self.layout = layout
        self.connection: Connection = contents.connect(layout, user, project)

    def create(
        self, name: str, flavor: str, image: str = contents.IMAGE, host: str | None = None
    ) -> str:
        """Create a server without a network, wait until it is ACTIVE, and return its id.

        :param flavor: the name of the flavor
        :param image: the name of the image
        :param host: the host for the server, which only an administrator may choose
        :raises LabError: the request is refused, or the server does not become ACTIVE
        """
        answer = self.ask_for_server(name, flavor, image, host)
        if answer.status != 202:
            raise LabError(f"server {name} was refused ({answer.status}): {answer.message}")
        server_id = str(answer.body["server"]["id"])
        self.wait_status(server_id, "ACTIVE", BUILD_SECONDS)
        return server_id

    def ask_for_server(
        self, name: str, flavor: str, image: str = contents.IMAGE, host: str | None = None
    ) -> Answer:
        """Send a request to create a server without a network, and return the answer at once.

        :param flavor: the name of the flavor
        :param image: the name of the image
        :param host: the host for the server, which only an administrator may choose
        """
        wanted = {
            "name": name,
            "flavorRef": self.connection.compute.find_flavor(flavor, ignore_missing=False).id,
            "imageRef": self.connection.image.find_image(image, ignore_missing=False).id,
            "networks": "none",
            **({"host": host} if host else {}),
        }
        return self.call("POST", "/servers", json={"server": wanted})

    def delete(self, server_id: str) -> Answer:
        """Delete a server, if there is one, and wait until Nova does not find it any more.

        :returns: the answer to the request to delete it
        :raises NotSettled: Nova still finds the server after two minutes
        """
        answer = self.call("DELETE", f"/servers/{server_id}")
        self.wait(
            f"{server_id} to be gone", lambda: self.vm_status(server_id) is None, BUILD_SECONDS
        )
        return answer

    def act(
        self, server_id: str, action: str, arguments: Any = None, microversion: str | None = None
    ) -> Answer:
        """Send a server action such as ``os-stop``, and return the answer at once.

        The methods of :class:`lab.operations.Operations` wait for the end of an action.
        """
        return self.call(
            "POST",
            f"/servers/{server_id}/action",
            json={action: arguments},
            microversion=microversion or MICROVERSION,
        )

    def delete_named(self, name: str) -> None:
        """Delete every server with this name, if there are any, and wait until they are gone."""
        for server in self.connection.compute.servers(name=f"^{name}$"):
            self.delete(server.id)

    def vm_status(self, server_id: str) -> str | None:
        """Return the server's status, such as ACTIVE or SHUTOFF; None if there is no server."""
        try:
            return str(self.connection.compute.get_server(server_id).status)
        except NotFoundException:
            return None

    def wait_status(self, server_id: str, wanted: str, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until the server's status is ``wanted``.

        :raises LabError: the server is in ERROR, or ``seconds`` are over (``NotSettled``)
        """

        def reached() -> bool:
            status = self.vm_status(server_id)
            if status == "ERROR":
                raise LabError(f"server {server_id} is in ERROR: {self.fault(server_id)}")
            return status == wanted

        self.wait(f"{server_id} to be {wanted}", reached, seconds)

    def host(self, server_id: str) -> str | None:
        """Return the compute host that Nova has the server on; None if it is on no host."""
        found = self.connection.compute.get_server(server_id).compute_host
        return str(found) if found else None

    def fault(self, server_id: str) -> str:
        """Return the message of the server's fault in Nova; "no fault recorded" if it has none."""
        fault = self.connection.compute.get_server(server_id).fault
        return str((fault or {}).get("message", "no fault recorded"))

    def adjust(self, server_id: str, body: object) -> Answer:
        """Send an adjust request with ``body`` unchanged, and return the answer at once."""
        return self.call("POST", f"/os-xloud-adjust/{server_id}", json=body)

    def resize(self, server_id: str, size: Size) -> Answer:
        """Send an adjust request for vCPUs and memory, and return the answer at once."""
        body = {"current_vcpus": size.vcpus, "current_memory_mb": size.memory_mb}
        return self.adjust(server_id, body)

    def xloud_status(self, server_id: str) -> Answer:
        """Return the API's answer to a request for the server's xloud-status."""
        return self.call("GET", f"/servers/{server_id}/xloud-status")

    def events(self, server_id: str) -> list[str]:
        """Return the names of the server's instance actions, the newest first."""
        return [action.action for action in self.connection.compute.server_actions(server_id)]

    def conditions(self, server_id: str) -> dict[str, str]:
        """Return {type: reason code} of the server's conditions that are true."""
        told = self.xloud_status(server_id).body["xloud_status"]["conditions"]
        return {each["type"]: each["reason"] for each in told if each["status"] is True}

    def outcomes(self, server_id: str, request_id: str) -> list[tuple[str | None, str]]:
        """Return (result, details) of each event of the instance action of a request.

        The result of an event that has not ended is None.
        """
        path = f"/servers/{server_id}/os-instance-actions/{request_id}"
        events = self.call("GET", path).body["instanceAction"]["events"]
        return [(event["result"], event["details"] or "") for event in events]

    def call(self, method: str, path: str, microversion: str = MICROVERSION, **more: Any) -> Answer:
        """Send a request to Nova's API and return the answer, also if the answer is an error."""
        response = self.connection.compute.request(
            path, method, microversion=microversion, raise_exc=False, **more
        )
        # A path that Nova does not know, as without nova-xloud, is answered in plain text.
        is_json = "json" in response.headers.get("Content-Type", "") and response.content
        body = response.json() if is_json else None
        return Answer(response.status_code, body, response.headers)

    def allocation(self, server_id: str) -> dict[str, int]:
        """Return the server's allocations by resource class, summed over all providers.

        The result is empty if there are none.
        """
        answer = self.connection.placement.get(f"/allocations/{server_id}").json()
        total: dict[str, int] = {}
        for provider in answer["allocations"].values():
            for resource, amount in provider["resources"].items():
                total[resource] = total.get(resource, 0) + amount
        return total

    def claimed(self, server_id: str) -> Size | None:
        """Return the sum of the server's allocations as a size; None if there are none."""
        held = self.allocation(server_id)
        return _size(held) if held else None

    def claims(self, server_id: str) -> dict[str, Size]:
        """Return the server's claim on each host, by host name, without its migrations' claims."""
        placement = self.connection.placement
        answer = placement.get(f"/allocations/{server_id}").json()
        names = {provider.id: provider.name for provider in placement.resource_providers()}
        return {
            names[provider]: _size(held["resources"])
            for provider, held in answer["allocations"].items()
        }

    def used(self, host: str) -> Size:
        """Return the usage that Placement has for a host, which includes claims of migrations."""
        placement = self.connection.placement
        (provider,) = placement.resource_providers(name=host)
        answer = placement.get(f"/resource_providers/{provider.id}/usages").json()
        return _size(answer["usages"])

    @contextmanager
    def domain(self, server_id: str) -> Iterator[libvirt.virDomain | None]:
        """Open the server's libvirt domain for the block; None if no compute has one.

        Two computes have a domain while the server moves, and until a migration or an evacuation is
        cleaned up. Then a running domain is preferred to a paused one, and a paused one to one that
        is shut off.
        """
        with ExitStack() as connections:
            found = []
            for compute in self.layout.computes:
                connection = connections.enter_context(hypervisor.opened(compute))
                found += [
                    domain
                    for domain in connection.listAllDomains()
                    if domain.UUIDString() == server_id
                ]
            yield max(found, key=_liveliness, default=None)

    def actuated(self, server_id: str) -> Size | None:
        """Return the running domain's vCPUs and memory as libvirt reports them.

        :returns: None if there is no domain, or if it is shut off
        """
        with self.domain(server_id) as domain:
            if domain is None or not domain.isActive():
                return None
            live = libvirt.VIR_DOMAIN_AFFECT_LIVE
            return Size(domain.vcpusFlags(live), domain.info()[2] // 1024)

    def configured(self, server_id: str) -> Size | None:
        """Return the size that libvirt would start the domain with; None if there is no domain."""
        with self.domain(server_id) as domain:
            if domain is None:
                return None
            inactive = ElementTree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
            vcpus = domain.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_CONFIG)
            return Size(vcpus, int(inactive.findtext("currentMemory", "0")) // 1024)

    def boot(self, server_id: str) -> int | None:
        """Return a number that changes with every start of the guest.

        :returns: None if there is no domain, or if it is shut off
        """
        with self.domain(server_id) as domain:
            return domain.ID() if domain is not None and domain.isActive() else None

    def emulator(self, server_id: str) -> int:
        """Return the process id of the server's QEMU.

        :raises LabError: the server has no QEMU
        """
        with self.domain(server_id) as domain:
            if domain is None or not domain.isActive():
                raise LabError(f"server {server_id} does not run")
            return faults.emulator_pid(self.layout.computes, str(domain.name()))

    def domain_xml(self, server_id: str) -> str:
        """Return the XML of the server's domain.

        :raises LabError: no compute has a domain for the server
        """
        with self.domain(server_id) as domain:
            if domain is None:
                raise LabError(f"no compute has a domain {server_id}")
            return str(domain.XMLDesc())

    def console(self, server_id: str) -> str:
        """Return the output of the guest's console, from Nova's API."""
        output = self.connection.compute.get_server_console_output(server_id)
        return str(output["output"])

    def report(self, server_id: str) -> guest.Report | None:
        """Return the last report that the guest printed on its console.

        :returns: None if the guest does not run, or has not printed a report yet
        """
        if self.vm_status(server_id) not in SPEAKING:
            return None
        try:
            return guest.last_report(self.console(server_id).encode())
        except NotFoundException:
            # Nova has not noticed yet that the guest is gone.
            return None

    def observed(self, server_id: str) -> Size | None:
        """Return the size that the guest has by its own report; None if there is no report."""
        report = self.report(server_id)
        return Size(report.cpus, report.held_mb) if report else None

    def witnesses(self, server_id: str) -> Witnesses:
        """Return the server's size according to Placement, libvirt and the guest."""
        return Witnesses(
            self.claimed(server_id), self.actuated(server_id), self.observed(server_id)
        )

    def settle(
        self, server_id: str, expected: Witnesses, seconds: float = SETTLE_SECONDS
    ) -> Witnesses:
        """Wait until Placement, libvirt and the guest have the size that is expected of each.

        :param seconds: how long to wait, counted by :class:`Patience`
        :returns: the last sizes, also if they are not as expected when the time is over
        """
        patience = Patience(seconds)
        while True:
            seen = self.witnesses(server_id)
            if seen == expected or patience.is_over():
                return seen
            time.sleep(POLL_SECONDS)

    @staticmethod
    def wait(what: str, probe: Callable[[], T], seconds: float = SETTLE_SECONDS) -> T:
        """Call ``probe`` until it returns something true, and return that.

        :raises NotSettled: ``seconds`` of :class:`Patience` are over
        """
        patience = Patience(seconds)
        while True:
            if result := probe():
                return result
            if patience.is_over():
                raise NotSettled(f"waited {seconds:.0f} s for {what}")
            time.sleep(POLL_SECONDS)
