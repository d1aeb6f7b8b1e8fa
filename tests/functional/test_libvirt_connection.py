# SPDX-License-Identifier: Apache-2.0
"""A libvirtd that is restarted does not keep nova-compute waiting."""

import threading
from unittest import mock

from nova import test
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.virt.libvirt import host

from lab.patience import LIMIT
from nova_xloud import releases


class Lock:
    """A lock that fails where a ``threading.Lock`` waits for ever: its holder takes it again."""

    def __init__(self):
        self._lock, self._holder = threading.Lock(), None
        self.locked = self._lock.locked

    def __enter__(self):
        assert self._holder != threading.get_ident(), "it waits for itself"
        self._lock.acquire()
        self._holder = threading.get_ident()

    def __exit__(self, *error):
        self._holder = None
        self._lock.release()


class Closed(test.NoDBTestCase):
    """Nova's connection to libvirt has closed, and nobody knows of it yet."""

    def setUp(self):
        if releases.major() < 34:
            self.skipTest("Nova handles these reports in another thread")
        super().setUp()
        self.useFixture(fakelibvirt.LibvirtFixture())
        self.told = []
        self.host = host.Host("qemu:///system", conn_event_handler=self._tell)
        self.host._wrapped_conn_lock = Lock()
        self.closed, self.another = mock.Mock(name="closed"), mock.Mock(name="another")
        self.host._connect = mock.Mock(side_effect=[self.closed, self.another])
        assert self.host._get_connection() is self.closed
        error = fakelibvirt.make_libvirtError(
            fakelibvirt.libvirtError,
            "Cannot recv data: Connection reset by peer",
            error_code=fakelibvirt.VIR_ERR_SYSTEM_ERROR,
            error_domain=fakelibvirt.VIR_FROM_RPC,
        )

        def found_closed():
            # libvirt reports it in the thread that finds it.
            self.host._close_callback(self.closed, 1, None)
            raise error

        self.closed.getLibVersion = found_closed

    def _tell(self, is_up, reason):
        self.told.append(is_up)

    def _handled(self):
        """What the driver was told of the connection: True if it is up, False if it is not."""
        for thread in threading.enumerate():
            if thread.name == "xloud-connection-closed":
                thread.join(LIMIT)
        while not self.host._conn_event_handler_queue.empty():
            self.host._conn_event_handler_queue.get()()
        return self.told

    def test_one_that_is_found_closed_is_replaced(self):
        assert self.host._get_connection() is self.another
        # Were the last one False, no server would be scheduled to this host any more.
        assert self._handled() == [True, False, True]

    def test_one_that_is_reported_closed_is_dropped_at_once(self):
        self.host._close_callback(self.closed, 1, None)
        assert self.host._wrapped_conn is None
        assert self._handled() == [True, False]
        assert self.host._get_connection() is self.another
        assert self._handled() == [True, False, True]

    def test_one_that_is_reported_while_it_is_tested_is_dropped(self):
        with self.host._wrapped_conn_lock:
            self.host._close_callback(self.closed, 1, None)
            assert self.host._wrapped_conn is self.closed
        assert self._handled() == [True, False]
        assert self.host._wrapped_conn is None
