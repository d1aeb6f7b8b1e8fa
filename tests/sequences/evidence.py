# SPDX-License-Identifier: Apache-2.0
"""Tells what Nova's database and the hosts have of each server, for whoever looks for a fault."""

from nova import objects

# So many of the last lines of nova-xloud in the log.
LINES = 40


def evidence(cloud, hosts):
    """Return records and instance actions of all servers, what hosts remember, and the log's end.

    :param hosts: each ComputeManager that runs, by the name of its host
    """
    return "\n".join(_lines(cloud, hosts))


def _lines(cloud, hosts):
    for name, server in cloud.servers().items():
        yield f"{name}: {server}"
        if server.is_nowhere:
            continue
        record = cloud._record({"id": server.uuid}).system_metadata
        for key in sorted(key for key in record if key.startswith("xloud_")):
            yield f"    {key} = {record[key]}"
        yield from _actions(cloud, server)
    for host, manager in hosts.items():
        reconciler = manager.xloud._reconciler
        yield f"{host} follows the requests {reconciler._left_open._requests}"
        yield f"{host} has tried {reconciler._attempts._last}"
    log = [one for one in cloud.stdlog.logger.output.splitlines() if "[nova_xloud." in one]
    yield from log[-LINES:]


def _actions(cloud, server):
    context = cloud._in_the_cell()
    # The newest action comes first.
    for action in objects.InstanceActionList.get_by_instance_uuid(context, server.uuid):
        yield f"    {action.action} of {action.request_id}, begun at {action.start_time}"
        for event in objects.InstanceActionEventList.get_by_action(context, action.id):
            ended = f"{event.result} at {event.finish_time}" if event.finish_time else "no end"
            yield f"        {event.event} on {event.host}, begun at {event.start_time}: {ended}"
