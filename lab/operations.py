"""Nova's own operations on a server, as an administrator requests them and waits for their end.

A method returns when the operation has ended and the server has the status that it should have. If
not, it raises LabError with the events of the instance action. Sizes are checked by the tests, not
here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.cloud import BUILD_SECONDS, Answer, Cloud
from lab.errors import LabError, NotSettled

# From microversion 2.95 on Nova leaves an evacuated server stopped; before, it runs if it did so.
EVACUATED_RUNNING = "2.94"

# When a server has no task state any more, it may take a moment until it has its new status (after
# a confirmed resize).
END_SECONDS = 10.0


class Operations:
    """Nova's operations on the servers of one cloud; each method waits for the operation's end.

    An operation after which a server usually runs has failed if the server is not ACTIVE then.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    # On one host.

    def pause(self, server_id: str) -> None:
        """Pause the guest."""
        self._do(server_id, "pause", status="PAUSED")

    def unpause(self, server_id: str) -> None:
        """Let the paused guest run again."""
        self._do(server_id, "unpause")

    def suspend(self, server_id: str) -> None:
        """Save the guest's state to disk and end its QEMU."""
        self._do(server_id, "suspend", status="SUSPENDED")

    def resume(self, server_id: str) -> None:
        """Start the suspended guest from its saved state."""
        self._do(server_id, "resume")

    def stop(self, server_id: str) -> None:
        """Stop the server."""
        self._do(server_id, "os-stop", status="SHUTOFF")

    def start(self, server_id: str) -> None:
        """Start the stopped server."""
        self._do(server_id, "os-start")

    def soft_reboot(self, server_id: str) -> None:
        """Ask the guest to shut down, and start it again.

        Nova reboots it hard if it has not shut down in time (wait_soft_reboot_seconds).
        """
        self._do(server_id, "reboot", {"type": "SOFT"})

    def hard_reboot(self, server_id: str) -> None:
        """End the guest's QEMU, define the domain again, and start it."""
        self._do(server_id, "reboot", {"type": "HARD"})

    def rescue(self, server_id: str, image: str | None = None) -> None:
        """Boot the server from a rescue image, with the server's own disk as the second disk.

        :param image: name of the rescue image; default: the server's own image
        """
        self._do(server_id, "rescue", self.from_image(image), status="RESCUE")

    def from_image(self, image: str | None) -> dict[str, str]:
        """Return the arguments of the action ``rescue`` with the image of this name, or without."""
        if image is None:
            return {}
        found = self.cloud.connection.image.find_image(image, ignore_missing=False)
        return {"rescue_image_ref": found.id}

    def unrescue(self, server_id: str) -> None:
        """End the rescue, and start the server from its own disk."""
        self._do(server_id, "unrescue")

    def rebuild(self, server_id: str, image: str) -> None:
        """Rebuild the server from the image with this name, which makes its disk anew."""
        found = self.cloud.connection.image.find_image(image, ignore_missing=False)
        self._do(server_id, "rebuild", {"imageRef": found.id})

    def lock(self, server_id: str) -> None:
        """Lock the running server."""
        self._do(server_id, "lock")

    def unlock(self, server_id: str) -> None:
        """Unlock the running server."""
        self._do(server_id, "unlock")

    def snapshot(self, server_id: str, name: str) -> None:
        """Make an image of the running server's disk, and delete the image again.

        :raises LabError: also if the image is not active
        """
        image = self.cloud.connection.image
        made = self._do(server_id, "createImage", {"name": name}).body["image_id"]
        try:
            status = image.get_image(made).status
            if status != "active":
                raise LabError(f"the snapshot of {server_id} is {status}")
        finally:
            image.delete_image(made)

    # From host to host.

    def live_migrate(self, server_id: str, host: str) -> None:
        """Move the running server to ``host``."""
        self._move(server_id, host, "os-migrateLive", {"host": host, "block_migration": "auto"})

    def cold_migrate(self, server_id: str, host: str) -> None:
        """Move the server to ``host``, where it waits to be confirmed or reverted."""
        self._move(server_id, host, "migrate", {"host": host}, status="VERIFY_RESIZE")

    def resize(self, server_id: str, flavor: str) -> None:
        """Resize the server to the flavor with this name, on a host that the scheduler chooses.

        The server then waits to be confirmed or reverted.
        """
        found = self.cloud.connection.compute.find_flavor(flavor, ignore_missing=False)
        self._do(server_id, "resize", {"flavorRef": found.id}, status="VERIFY_RESIZE")

    def confirm(self, server_id: str) -> None:
        """Confirm a resize or a cold migration."""
        self._do(server_id, "confirmResize")

    def revert(self, server_id: str) -> None:
        """Revert a resize or a cold migration."""
        self._do(server_id, "revertResize")

    def evacuate(self, server_id: str, host: str) -> None:
        """Rebuild the server on ``host``; Nova must take the server's own host for down."""
        self._move(server_id, host, "evacuate", {"host": host}, microversion=EVACUATED_RUNNING)

    def shelve(self, server_id: str) -> None:
        """Shelve and offload the server, which is on no host afterwards."""
        self._do(server_id, "shelve", status="SHELVED_OFFLOADED")

    def unshelve(self, server_id: str, host: str) -> None:
        """Start the shelved server on ``host``."""
        self._move(server_id, host, "unshelve", {"host": host})

    # Hosts.

    def force_down(self, host: str, down: bool) -> None:
        """Set or clear ``forced_down`` of a host's nova-compute; Nova takes it for down if set."""
        self._set_service(host, {"forced_down": down})

    @contextmanager
    def disabled(self, host: str) -> Iterator[None]:
        """Disable a host's nova-compute inside the block, so that no server is scheduled to it."""
        self._set_service(host, {"status": "disabled"})
        try:
            yield
        finally:
            self._set_service(host, {"status": "enabled"})

    def wait_enabled(self, host: str) -> None:
        """Wait until servers can be scheduled to a host, according to Nova and to Placement."""
        placement = self.cloud.connection.placement
        (provider,) = placement.resource_providers(name=host)
        path = f"/resource_providers/{provider.id}/traits"

        def enabled() -> bool:
            traits = placement.get(path, microversion="1.6").json()["traits"]
            service = self._service(host)
            up = service.status == "enabled" and service.state == "up"
            return up and "COMPUTE_STATUS_DISABLED" not in traits

        self.cloud.wait(f"{host} to be enabled", enabled)

    def _service(self, host: str) -> Any:
        (found,) = self.cloud.connection.compute.services(host=host, binary="nova-compute")
        return found

    def _set_service(self, host: str, values: dict[str, Any]) -> None:
        answer = self.cloud.call("PUT", f"/os-services/{self._service(host).id}", json=values)
        if answer.status != 200:
            raise LabError(
                f"setting {values} of the nova-compute of {host} was refused ({answer.status}): "
                f"{answer.message}"
            )

    def _move(self, server_id: str, host: str, action: str, arguments: Any, **more: Any) -> None:
        answer = self._do(server_id, action, arguments, **more)
        found = self.cloud.host(server_id)
        if found != host:
            said = self._said(server_id, answer)
            raise LabError(f"{action} of {server_id} to {host} left it on {found}: {said}")

    def _do(
        self,
        server_id: str,
        action: str,
        arguments: Any = None,
        status: str = "ACTIVE",
        microversion: str | None = None,
    ) -> Answer:
        answer = self.cloud.act(server_id, action, arguments, microversion)
        if answer.status >= 400:
            raise LabError(
                f"{action} of {server_id} was refused ({answer.status}): {answer.message}"
            )
        self.cloud.wait(
            f"{action} of {server_id} to end", lambda: self._is_idle(server_id), BUILD_SECONDS
        )
        try:
            self.cloud.wait_status(server_id, status, END_SECONDS)
        except NotSettled as error:
            raise LabError(f"{action} of {server_id}: {self._said(server_id, answer)}") from error
        return answer

    def _is_idle(self, server_id: str) -> bool:
        return self.cloud.connection.compute.get_server(server_id).task_state is None

    def _said(self, server_id: str, answer: Answer) -> list[tuple[str | None, str]]:
        return self.cloud.outcomes(server_id, answer.headers["x-openstack-request-id"])
