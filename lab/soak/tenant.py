"""A project whose quota is too small for some of what is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.cloud import Cloud
from lab.errors import LabError

# The vCPUs of the largest size that is asked for, without those above the quota.
CORES = 5


@contextmanager
def with_quota(cloud: Cloud, tenant: Cloud) -> Iterator[None]:
    """Limit the vCPUs of the tenant's project while the block lasts."""
    path = f"/os-quota-sets/{tenant.connection.current_project_id}"
    answer = cloud.call("PUT", path, json={"quota_set": {"cores": CORES, "force": True}})
    if answer.status != 200:
        raise LabError(f"the quota was refused ({answer.status}): {answer.message}")
    try:
        yield
    finally:
        cloud.call("DELETE", path)
