# SPDX-License-Identifier: Apache-2.0
"""Placements for the contract of the Claims port: the fake, and the real one of each release.

One consumer has 4 vCPUs and 2048 MiB of a provider that has 8 and 4096, and is alone there.

A real Placement is its own wheel, of the version that the release's constraints name, on the
libraries of the tests' environment: its rules are what is tested, and a whole environment for each
of six would cost a fresh machine minutes. It is asked over HTTP, through Nova's own client.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nova_xloud.compute.ports import Claims
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.testing.fake_ports import FakeClaims

ROOT = Path(__file__).parents[2]
PACKAGE = "openstack-placement"
STARTS_WITHIN = 60
CAPACITY, HELD = Size(8, 4096), Size(4, 2048)
LETS_GO = (14, 0, 0)


class Provider(Protocol):
    """A resource provider under test, and what a test does to it beside the port.

    :ivar claims: the port, of the one consumer
    :ivar refuses_when_overfull: takes no write at all while it is more than full
    """

    @property
    def claims(self) -> Claims: ...
    @property
    def refuses_when_overfull(self) -> bool: ...

    def has(self, total: Size, max_unit: Size | None = None, vcpu_step: int = 1) -> None:
        """Its inventory from now on."""

    def loses_vcpus(self) -> None:
        """It has no inventory of the class that vCPUs are claimed of any more."""

    def somebody_else_writes(self, size: Size) -> None:
        """The consumer's allocation is written by another client."""


class FakeProvider:
    """:class:`nova_xloud.testing.fake_ports.FakeClaims`."""

    def __init__(self, *, refuses_when_overfull: bool = False) -> None:
        self.claims = FakeClaims(HELD, capacity=CAPACITY)
        self.claims.refuses_when_overfull = refuses_when_overfull
        self.refuses_when_overfull = refuses_when_overfull
        self.somebody_else_writes = self.claims.somebody_else_writes

    def has(self, total: Size, max_unit: Size | None = None, vcpu_step: int = 1) -> None:
        self.claims.capacity, self.claims.max_unit = total, max_unit
        self.claims.step_size = Size(vcpu_step, 1)

    def loses_vcpus(self) -> None:
        self.claims.without.add("VCPU")


class RealProvider:
    """One resource provider of a Placement that runs, through Nova's client and our port."""

    def __init__(self, placement: RunningPlacement) -> None:
        self.refuses_when_overfull = placement.version < LETS_GO
        self._client = placement.client()
        self._uuid, self._consumer = str(uuid.uuid4()), str(uuid.uuid4())
        self._send("post", "/resource_providers", {"uuid": self._uuid, "name": self._uuid})
        self.has(CAPACITY)
        self.somebody_else_writes(HELD)
        self.claims = self._claims(FlavorFacts(CAPACITY))

    def has(self, total: Size, max_unit: Size | None = None, vcpu_step: int = 1) -> None:
        most = max_unit or total
        self._set_inventories(
            {
                "VCPU": {"total": total.vcpus, "max_unit": most.vcpus, "step_size": vcpu_step},
                "MEMORY_MB": {"total": total.memory_mb, "max_unit": most.memory_mb},
            }
        )

    def loses_vcpus(self) -> None:
        """Placement keeps an inventory that is allocated from, so the instance's CPUs become PCPU,
        and those of a flavor without dedicated CPUs are claimed of a class that is gone.
        """
        memory = {"MEMORY_MB": {"total": CAPACITY.memory_mb}}
        self._allocate({"MEMORY_MB": HELD.memory_mb})
        self._set_inventories({"PCPU": {"total": CAPACITY.vcpus}, **memory})
        self._allocate({"PCPU": HELD.vcpus, "MEMORY_MB": HELD.memory_mb})

    def somebody_else_writes(self, size: Size) -> None:
        self._allocate({"VCPU": size.vcpus, "MEMORY_MB": size.memory_mb})

    def _set_inventories(self, inventories: dict[str, dict[str, int]]) -> None:
        url = f"/resource_providers/{self._uuid}"
        generation = self._send("get", url).json()["generation"]
        body = {"inventories": inventories, "resource_provider_generation": generation}
        self._send("put", f"{url}/inventories", body)

    def _allocate(self, resources: dict[str, int]) -> None:
        found = self._send("get", f"/allocations/{self._consumer}").json()
        body = {
            "allocations": {self._uuid: {"resources": resources}},
            "consumer_generation": found.get("consumer_generation"),
            "project_id": "contract",
            "user_id": "contract",
        }
        self._send("put", f"/allocations/{self._consumer}", body)

    def _claims(self, facts: FlavorFacts) -> Claims:
        from nova import context

        from nova_xloud.adapters.placement import PlacementClaims

        return PlacementClaims(
            self._client, context.get_admin_context(), self._consumer, self._uuid, facts
        )

    def _send(self, method: str, url: str, *body: Any) -> Any:
        answer = getattr(self._client, method)(url, *body, version="1.28")
        assert answer.status_code < 300, answer.text
        return answer


@dataclass(frozen=True)
class RunningPlacement:
    """A Placement that is served.

    :ivar version: as it says itself
    """

    version: tuple[int, ...]
    port: int

    def client(self) -> Any:
        """Nova's own client of it."""
        from keystoneauth1 import adapter, session, token_endpoint
        from nova.scheduler.client.report import SchedulerReportClient

        url = f"http://127.0.0.1:{self.port}"
        auth = token_endpoint.Token(url, "admin")
        return SchedulerReportClient(
            adapter.Adapter(session.Session(auth), service_type="placement", raise_exc=False)
        )


def versions() -> list[str]:
    """Of the Placements of all supported releases, oldest first."""
    found = set()
    for path in (ROOT / "constraints").glob("nova-*.txt"):
        found |= set(re.findall(rf"^{PACKAGE}==(\S+)$", path.read_text(), re.MULTILINE))
    return sorted(found, key=_numbers)


def own_version() -> str:
    """Of the Placement in this environment."""
    return importlib.metadata.version(PACKAGE)


def is_too_new(version: str) -> bool:
    """Whether it is of a later release than this environment, and so than its libraries."""
    return _numbers(version) > _numbers(own_version())


@contextlib.contextmanager
def running(version: str) -> Iterator[RunningPlacement]:
    """A Placement of that version, with an empty database, for as long as the block lasts."""
    where = _installed(version)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "errors.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("placement_server.py")), folder],
                env={**os.environ, "PYTHONPATH": str(where or "")},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            assert process.stdout is not None
            said = process.stdout.readline().split()
            assert said[:1] == [version], f"asked for {version}: {said}\n{log.read_text()}"
            yield RunningPlacement(_numbers(version), int(said[1]))
        finally:
            process.terminate()
            process.wait(STARTS_WITHIN)


def _installed(version: str) -> Path | None:
    """The folder of its wheel, which is fetched once; None: it is the environment's own."""
    if own_version() == version:
        return None
    state = Path(os.environ.get("LAB_STATE") or ROOT / ".lab")
    folder = state / "placement" / version
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Others may fetch it at the same moment: whoever is first has it.
        mine = Path(tempfile.mkdtemp(dir=folder.parent))
        wheel = ["--no-deps", "--target", str(mine), f"{PACKAGE}=={version}"]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wheel], check=True, stderr=subprocess.PIPE, text=True)
        try:
            mine.rename(folder)
        except OSError:
            shutil.rmtree(mine)
    return folder


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
