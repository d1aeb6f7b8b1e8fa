"""A small cloud in this process: Nova's own services, Placement, a fake libvirt; stock or not.

What is booted and moved in it has a stock flavor, without any extra spec of ours.
"""

import contextlib
import gc
import logging
import time
import unittest

from lxml import etree
from nova import context as nova_context
from nova import objects
from nova.conf import CONF
from nova.scheduler import utils as scheduler_utils
from nova.scheduler.client import query
from nova.tests.functional.libvirt import base
from oslo_utils import uuidutils

from nova_xloud.testing import FakeLibvirtFixture
from tests.bench import calls
from tests.bench.counts import Counts
from tests.bench.listed_cloud import ListedServers
from tests.bench.remote_objects import RemoteObjects
from tests.bench.scaled_cloud import ScaledServers
from tests.functional.clouds import let_guests_move

# Seconds; no service reports, or is taken for dead, while something is measured.
_NEVER = 100_000
_REQUESTS_AT_ONCE = 200


class Cloud(ListedServers, ScaledServers, base.ServersTestBase):
    """Nova's functional test case, kept open: :meth:`serve` is the test.

    :cvar hosts: how many compute hosts
    :cvar answer_to: the pipe to who asks for operations
    """

    ADMIN_API = True
    microversion = "latest"
    hosts = 2
    answer_to = None

    def setUp(self):
        super().setUp()
        self.useFixture(FakeLibvirtFixture())
        self.flags(cpu_allocation_ratio=16.0, ram_allocation_ratio=1.0)
        self.flags(mem_stats_period_seconds=10, group="libvirt")
        self.flags(instances=-1, cores=-1, ram=-1, group="quota")
        let_guests_move(self, self._migrate_domain)
        for number in range(self.hosts):
            self.start_compute(f"host{number + 1}")
        self.admin_api.microversion = "latest"
        self.context = nova_context.get_admin_context()
        self.flavor = self._create_flavor(vcpu=1, memory_mb=256)
        self.larger = self._create_flavor(vcpu=2, memory_mb=512)

    def _setup_services(self):
        self.flags(report_interval=_NEVER, service_down_time=3 * _NEVER)
        return super()._setup_services()

    def serve(self):
        """Answer ``(what, operation)`` from the pipe until it says None."""
        self.answer_to.send("ready")
        while (asked := self.answer_to.recv()) is not None:
            what, operation = asked
            self.answer_to.send(getattr(self, f"_{what}")(operation))
        # Nova says at length that it ends.
        logging.disable()

    def _time(self, operation):
        """``{"wall": ms, "cpu": ms}``; the CPU time is of all threads."""
        with getattr(self, operation)() as run:
            gc.collect()
            gc.disable()
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            gc.enable()
        return {"wall": wall * 1000, "cpu": cpu * 1000}

    def _count(self, operation):
        """What it asks of others; see :class:`Counts`."""
        with getattr(self, operation)() as run, Counts() as counts, counts.counting() as counted:
            run()
        return dict(counted)

    def _asked(self, operation):
        """:meth:`_count`, and what the engine asks a conductor for."""
        with contextlib.ExitStack() as stack:
            run = stack.enter_context(getattr(self, operation)())
            counts = stack.enter_context(Counts())
            counted = stack.enter_context(counts.counting())
            with RemoteObjects(counts.count):
                run()
        return dict(counted)

    def _calls(self, operation):
        """``{"all": calls, "ours": calls}``, in a worker that watches them."""
        with getattr(self, operation)() as run, calls.counting() as counted:
            run()
        return counted

    # Operations: a context in which the callable is what is measured.

    @contextlib.contextmanager
    def boot(self):
        """From POST /servers to ACTIVE and the end of the build."""
        self.notifier.reset()
        self._stdlog_forget()
        servers = []
        yield lambda: servers.append(self._post_server())
        (server,) = servers
        assert self.admin_api.get_server(server["id"])["status"] == "ACTIVE"
        self._delete_server(server)

    @contextlib.contextmanager
    def schedule(self):
        """What a conductor asks of a scheduler: hosts for one instance, claimed in Placement."""
        spec = self._spec()
        self._stdlog_forget()
        yield lambda: query.SchedulerQueryClient().select_destinations(
            self.context,
            spec,
            [spec.instance_uuid],
            return_objects=True,
            return_alternates=True,
        )
        self.scheduler.manager.placement_client.delete_allocation_for_instance(
            self.context, spec.instance_uuid, force=True
        )

    @contextlib.contextmanager
    def request(self):
        """200 times: what the scheduler asks Placement for, made of a request spec."""
        spec = self._spec()

        def make():
            for _ in range(_REQUESTS_AT_ONCE):
                scheduler_utils.ResourceRequest.from_request_spec(spec)

        yield make

    @contextlib.contextmanager
    def cold_migrate(self):
        """Migrate and confirm."""
        with self._a_server() as server:

            def run():
                self._migrate_server(server)
                self._confirm_resize(server)

            yield run

    @contextlib.contextmanager
    def resize(self):
        """Resize to a larger flavor and confirm."""
        with self._a_server() as server:

            def run():
                self._resize_server(server, self.larger)
                self._confirm_resize(server)

            yield run

    @contextlib.contextmanager
    def revert_resize(self):
        """Resize to a larger flavor and revert."""
        with self._a_server() as server:

            def run():
                self._resize_server(server, self.larger)
                self._revert_resize(server)

            yield run

    @contextlib.contextmanager
    def live_migrate(self):
        """Live migrate."""
        with self._a_server() as server:
            yield lambda: self._live_migrate(server)

    @contextlib.contextmanager
    def shelve(self):
        """Shelve, offload and unshelve."""
        with self._a_server() as server:

            def run():
                self._shelve_server(server)
                self._unshelve_server(server)

            yield run

    @contextlib.contextmanager
    def hard_reboot(self):
        """Hard reboot."""
        with self._a_server() as server:
            yield lambda: self._reboot_server(server, hard=True)

    @contextlib.contextmanager
    def _a_server(self):
        self.notifier.reset()
        server = self._create_server(flavor_id=self.flavor, networks="none")
        self.notifier.reset()
        yield server
        self._delete_server(server)

    def _post_server(self):
        body = self._build_server(flavor_id=self.flavor, networks="none")
        server = self.admin_api.post_server({"server": body})
        # Nova sends this right after it has saved the instance as active; nothing polls for it.
        self.notifier.wait_for_versioned_notifications("instance.create.end")
        return server

    def _spec(self):
        """A request like that of a boot, for an instance of its own."""
        flavor = objects.Flavor.get_by_flavor_id(self.context, self.flavor)
        return objects.RequestSpec.from_components(
            self.context,
            uuidutils.generate_uuid(),
            objects.ImageMeta(properties=objects.ImageMetaProps()),
            flavor,
            None,
            objects.InstancePCIRequests(requests=[]),
            {},
            None,
            None,
            project_id=self.context.project_id or "project",
            user_id="user",
        )

    def _stdlog_forget(self):
        """Nova's fixture keeps all that is logged."""
        self.stdlog.logger._output = None

    def _migrate_domain(self, source, destination, params, flags):
        """libvirt's part of a live migration, with the XML that Nova made."""
        uuid = etree.fromstring(params["destination_xml"]).findtext("uuid")
        target = next(m for m in self._running_migrations() if m.instance_uuid == uuid)
        there = self.computes[target.dest_compute].driver._host.get_connection()
        there.createXML(params["destination_xml"], "")._transient = False
        here = self.computes[target.source_compute].driver._host.get_connection()
        here.lookupByUUIDString(uuid).complete_job()

    def _running_migrations(self):
        filters = {"status": "running"}
        return objects.MigrationList.get_by_filters(nova_context.get_admin_context(), filters)


def serve(paste, hosts, pipe):
    """Open a cloud and answer from it.

    :param paste: the path of Nova's ``api-paste.ini``
    :raises RuntimeError: the cloud failed; the traceback is in the message
    """
    CONF.set_override("api_paste_config", paste, "wsgi")
    Cloud.hosts, Cloud.answer_to = hosts, pipe
    result = unittest.TestResult()
    Cloud("serve").run(result)
    for _, traceback in result.errors + result.failures:
        raise RuntimeError(traceback)
