"""Lists of many elastic servers in the in-process cloud: ours, and Nova's own with details."""

import contextlib

LISTED = 100
_SPECS = {"minimum_cpu": "1", "minimum_memory": "256"}


class ListedServers:
    """Mixed into :class:`tests.bench.cloud.Cloud`: needs a worker that is extended."""

    _are_there = False

    @contextlib.contextmanager
    def list_sizes(self):
        """``GET /os-xloud-servers``, all servers in one page."""
        yield self._listing("/os-xloud-servers", "xloud_servers")

    @contextlib.contextmanager
    def list_details(self):
        """``GET /servers/detail``, of the same servers."""
        yield self._listing("/servers/detail", "servers")

    def _listing(self, path, key):
        self._boot_them()
        self._stdlog_forget()

        def read():
            found = self.api.api_get(f"{path}?limit={LISTED}").body[key]
            assert len(found) == LISTED, (path, len(found))

        return read

    def _boot_them(self):
        """Create the servers, which stay for all lists that follow."""
        if self._are_there:
            return
        flavor = self._create_flavor(vcpu=4, memory_mb=512, disk=0, ephemeral=0, extra_spec=_SPECS)
        for _ in range(LISTED):
            self._create_server(flavor_id=flavor, networks="none")
        self._are_there = True
