# SPDX-License-Identifier: Apache-2.0
"""A fixture for Nova's fake libvirt whose guests grow and shrink as a test wants them to."""

from __future__ import annotations

from typing import Any

import fixtures
from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.virt.libvirt import driver

# Imported here, before a test runs: Nova's tests refuse the first `import libvirt` in one.
from nova_xloud.libvirt import domain as libvirt_domain
from nova_xloud.libvirt import domain_stats as libvirt_survey
from nova_xloud.libvirt import guest_samples as libvirt_samples
from nova_xloud.libvirt.guest_xml import read_size
from nova_xloud.testing import fake_virdomain
from nova_xloud.testing.behaviour import Behaviour, Rejected, Timing
from nova_xloud.testing.clock import Clock, RealClock
from nova_xloud.testing.fake_guest import FakeGuest

# Constants that Nova's fake lacks, with libvirt's numbers (libvirt-domain.h, virterror.h).
CONSTANTS = {
    "VIR_DOMAIN_VCPU_LIVE": fake_virdomain.LIVE,
    "VIR_DOMAIN_VCPU_CONFIG": fake_virdomain.CONFIG,
    "VIR_DOMAIN_VCPU_CURRENT": 0,
    "VIR_DOMAIN_VCPU_MAXIMUM": fake_virdomain.MAXIMUM,
    "VIR_DOMAIN_VCPU_GUEST": fake_virdomain.GUEST,
    "VIR_DOMAIN_VCPU_HOTPLUGGABLE": fake_virdomain.HOTPLUGGABLE,
    "VIR_DOMAIN_MEM_CURRENT": 0,
    "VIR_DOMAIN_MEM_LIVE": fake_virdomain.LIVE,
    "VIR_DOMAIN_MEM_CONFIG": fake_virdomain.CONFIG,
    "VIR_DOMAIN_MEM_MAXIMUM": 4,
    "VIR_DOMAIN_STATS_STATE": fake_virdomain.STATS_STATE,
    "VIR_DOMAIN_STATS_BALLOON": fake_virdomain.STATS_BALLOON,
    "VIR_DOMAIN_STATS_VCPU": fake_virdomain.STATS_VCPU,
    "VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT": fake_virdomain.STATS_NOWAIT,
    "VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING": fake_virdomain.STATS_RUNNING,
    "VIR_ERR_OVERFLOW": 82,
}


class FakeLibvirtFixture(fixtures.Fixture):
    """Gives a :class:`FakeGuest` to every domain that is defined in Nova's fake libvirt afterwards.

    Use this fixture after Nova's own ``LibvirtFixture``, which ``ServersTestBase`` uses; if Nova's
    fixture is not in use, this fixture uses it. The modules of ``nova_xloud.libvirt`` then call
    Nova's fake libvirt instead of libvirt.

    :param behaviour: how every guest behaves; for one guest, set ``fixture.domain(uuid).behaviour``
    :param balloon_rate: how fast every guest's memory grows or shrinks, in MiB per second;
        ``math.inf``: at once, but not before the clock has moved
    :param timing: all speeds of every guest; ``balloon_rate`` is then ignored
    :param clock: default: real time
    :param agent: whether every guest whose domain has a channel for an agent has an agent
    """

    def __init__(
        self,
        behaviour: Behaviour = Behaviour.COOPERATIVE,
        *,
        balloon_rate: float = Timing().balloon_rate,
        timing: Timing | None = None,
        clock: Clock | None = None,
        agent: bool = False,
    ) -> None:
        super().__init__()
        self.behaviour = behaviour
        self.timing = timing or Timing(balloon_rate=balloon_rate)
        self.clock = clock or RealClock()
        self.agent = agent
        # By UUID of the instance: the domain that was defined last.
        self._domains: dict[str, fake_virdomain.VirDomainFace] = {}

    def _setUp(self) -> None:
        if driver.libvirt is not fakelibvirt:
            self.useFixture(fakelibvirt.LibvirtFixture())
        for name, value in CONSTANTS.items():
            if not hasattr(fakelibvirt, name):
                self._patch(fakelibvirt, name, value)
        bases = (fake_virdomain.VirDomainFace, fakelibvirt.Domain)
        face = type("Domain", bases, {"hypervisor": self})
        self._patch(fakelibvirt, "Domain", face)
        self._patch(fakelibvirt, "virDomain", face)
        self._patch(libvirt_domain, "libvirt", fakelibvirt)
        self._patch(libvirt_survey, "libvirt", fakelibvirt)
        self._patch(libvirt_samples, "libvirt", fakelibvirt)
        of_all = fixtures.MockPatchObject(
            fakelibvirt.Connection,
            "getAllDomainStats",
            fake_virdomain.all_domain_stats,
            create=True,
        )
        self.useFixture(of_all)

    def domain(self, uuid: str) -> FakeGuest:
        """Return the guest of the domain with this UUID that was defined last, on any host.

        After a migration that is the guest on the target host.

        :raises LookupError: no domain with this UUID was defined
        """
        if uuid not in self._domains:
            raise LookupError(f"no domain {uuid} was defined, only {sorted(self._domains)}")
        return self._domains[uuid].guest

    def make_guest(self, new: Any, root: etree._Element, *, transient: bool) -> FakeGuest:
        """Return the guest of the domain ``new``, which was just defined.

        A domain that is defined again on the same connection while it is off keeps its guest, with
        the new configuration. Any other domain gets a new guest. That has the behaviour of the last
        guest with the same UUID or, if there was none, the fixture's.

        :param root: the element ``<domain>`` of the domain's XML
        :param transient: whether the domain is without a persistent configuration; not used for a
            domain whose guest runs on another host, because a migrated domain becomes persistent
        """
        uuid = new.UUIDString()
        before = self._domains.get(uuid)
        self._domains[uuid] = new
        here = before is not None and before.connection is new.connection
        balloon = root.find("devices/memballoon")
        definition: dict[str, Any] = {
            "config": read_size(root),
            "persistent": not transient,
            "agent": self.agent and root.find(fake_virdomain.AGENT_CHANNEL) is not None,
            "balloon_device": balloon is None or balloon.get("model") != "none",
            "statistics": balloon is not None and balloon.find("stats") is not None,
            "autodeflate": balloon is not None and balloon.get("autodeflate") == "on",
        }
        if before and here and not before.guest.active:
            # The same domain with another configuration: keep its guest, which may be saved.
            before.guest.define(**definition)
            return before.guest
        if before and before.guest.active and not here:
            # Nova's tests make a migrated domain with createXML; libvirt makes it persistent.
            definition["persistent"] = True
        behaviour = before.guest.behaviour if before else self.behaviour
        return FakeGuest(**definition, behaviour=behaviour, timing=self.timing, clock=self.clock)

    def libvirt_error(self, rejected: Rejected) -> Exception:
        """Return the ``libvirtError`` of Nova's fake libvirt that ``rejected`` stands for."""
        error: Exception = fakelibvirt.make_libvirtError(
            fakelibvirt.libvirtError,
            str(rejected),
            error_code=getattr(fakelibvirt, rejected.constant),
            error_domain=fakelibvirt.VIR_FROM_QEMU,
        )
        return error

    def _patch(self, module: Any, name: str, value: Any) -> None:
        self.useFixture(fixtures.MonkeyPatch(f"{module.__name__}.{name}", value))
