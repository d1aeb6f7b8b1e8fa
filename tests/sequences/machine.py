# SPDX-License-Identifier: Apache-2.0
"""Any sequence of operations on a few servers: a rule is an operation.

The body of an operation is run in a fork of the cloud, with the cloud as its first argument. It
returns what the API has answered. Then the cloud has to come to rest with nothing wrong in it.
"""

from collections import deque

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from nova_xloud.testing import Behaviour
from tests.sequences.checks import come_to_rest, count_anew, is_counted
from tests.sequences.cloud import FLAVORS, IMAGES
from tests.sequences.forks import Broken

MOST_SERVERS = 4
# Among so many operations there are not two of a kind.
RECENT = 10
# Whether the host of a server is down.
UP, DOWN, ANY_HOST = (False,), (True,), (False, True)
# By its name: the body of an operation.
OPERATIONS = {}

DRIVEN = ("active", "paused", "stopped")
ANY = (*DRIVEN, "rescued", "resized", "suspended", "shelved", "shelved_offloaded", "error")

FLAVOR, IMAGE, YES_OR_NO = st.sampled_from([*FLAVORS]), st.sampled_from([*IMAGES]), st.booleans()
VCPUS = st.sampled_from([1, 2, 3, 4, 6, None])
MEMORY_MB = st.sampled_from([512, 640, 768, 1024, 1500, 2048, 256, None])
BEHAVIOUR = st.sampled_from([*Behaviour])
MODE = st.sampled_from(["on", "observe", "off"])
# Nova counts the servers of each host anew after so many operations.
COUNTS_AFTER = 4


def operation(*states, hosts=UP, all_up=False, of_so_many=1, **arguments):
    """Make a rule of the body of an operation.

    :param states: vm_states of the servers that the operation is tried on; empty: it takes none
    :param hosts: on which hosts these servers are: ``UP``, ``DOWN`` or ``ANY_HOST``
    :param all_up: the operation is tried only while no host is down
    :param of_so_many: the operation is tried only while there are so many servers
    :param arguments: strategies of the other arguments
    """

    def decorate(body):
        OPERATIONS[body.__name__] = body

        def run(machine, **chosen):
            machine.step(body.__name__, chosen)

        run.__name__ = body.__name__
        server = st.runner().flatmap(lambda m: st.sampled_from(m.names(states, hosts)))

        def is_possible(machine):
            if (all_up and machine.down) or len(machine.servers) < of_so_many:
                return False
            # Hypothesis begins with the simplest choice, which is the same operation all the time.
            return body.__name__ not in machine.recent and (
                not states or bool(machine.names(states, hosts))
            )

        given = {"server": server, **arguments} if states else arguments
        return precondition(is_possible)(rule(**given)(run))

    return decorate


def carry_out(cloud, operation, arguments):
    """Carry out one operation in the fork, and wait until the cloud is at rest.

    :returns: what the API answered, the servers by name, and the hosts that are down
    """
    answer = OPERATIONS[operation](cloud, **arguments) or "ok"
    come_to_rest(cloud)
    return answer, cloud.servers(), set(cloud.down)


class AnySequence(RuleBasedStateMachine):
    """Hypothesis' machine: each rule is one operation on the servers of a new fork of the cloud.

    :cvar origin: the :class:`tests.sequences.forks.Origin`
    :cvar journal: called with a line for each step
    """

    origin = None
    journal = print

    def __init__(self):
        super().__init__()
        self.servers, self.down, self.created = {}, set(), 0
        self.script, self.recent = [], deque(maxlen=RECENT)
        # Hypothesis leaves most rules out of a sequence, and repeats the others. What is looked for
        # here comes of many different operations on the same servers.
        self._rules_strategy.enabled_rules_strategy = st.just(_EveryRule())
        self.fork = self.origin.fork()
        self.is_broken = False
        type(self).journal("-- a new cloud")

    def teardown(self):
        try:
            if not self.is_broken:
                self.step("hosts_count_anew", {})
        finally:
            self.fork.end()

    def names(self, states, hosts):
        """Return the names of the servers in one of these states and on such hosts."""
        return [
            name
            for name, one in sorted(self.servers.items())
            if one.vm_state in states and (one.host in self.down) in hosts
        ]

    def step(self, operation, chosen):
        said = ", ".join(f"{name}={value!r}" for name, value in sorted(chosen.items()))
        self.script.append(f"{operation}({said})")
        self.recent.append(operation)
        try:
            answer, self.servers, self.down = self.fork.call(
                carry_out, operation=operation, arguments=chosen
            )
        except Broken as broken:
            self.is_broken = True
            said = "\n".join([*self.script, str(broken)])
            type(self).journal(f"{self.script[-1]}: BROKEN: {broken}")
            # Hypothesis tells faults apart by the classes of their errors.
            raise type(broken.kind, (Broken,), {})(broken.kind, said) from None
        self.script[-1] += f": {answer}"
        type(self).journal(self.script[-1])
        if len(self.script) % (COUNTS_AFTER + 1) == COUNTS_AFTER:
            self.step("hosts_count_anew", {})

    @initialize(flavor=FLAVOR)
    def begin(self, flavor):
        for image in ("plain", "agent"):
            self._create(flavor, image)
        # Most sizes that are chosen later are refused for most flavors. This one never is.
        vcpus, memory_mb, _ = FLAVORS[flavor]
        grown = {"server": "s1", "vcpus": vcpus, "memory_mb": memory_mb * 3 // 4}
        self.step("adjust", grown)

    @precondition(lambda self: len(self.servers) < MOST_SERVERS)
    @rule(flavor=FLAVOR, image=IMAGE)
    def create(self, flavor, image):
        self._create(flavor, image)

    def _create(self, flavor, image):
        self.created += 1
        self.step("create", {"server": f"s{self.created}", "flavor": flavor, "image": image})

    @operation(*DRIVEN, vcpus=VCPUS, memory_mb=MEMORY_MB)
    def adjust(cloud, server, vcpus, memory_mb):
        return adjust(cloud, server, vcpus, memory_mb)

    @operation(*ANY, hosts=ANY_HOST, vcpus=VCPUS, memory_mb=MEMORY_MB)
    def adjust_until_it_stops(cloud, server, vcpus, memory_mb):
        return adjust(cloud, server, vcpus, memory_mb, persist=False)

    @operation("active", memory_mb=MEMORY_MB.filter(bool))
    def adjust_by_force(cloud, server, memory_mb):
        return adjust(cloud, server, None, memory_mb, force=True)

    @operation(*ANY, hosts=ANY_HOST, vcpus=VCPUS, memory_mb=MEMORY_MB)
    def try_to_adjust(cloud, server, vcpus, memory_mb):
        return adjust(cloud, server, vcpus, memory_mb, dry_run=True)

    @operation("active", "rescued", "error")
    def stop(cloud, server):
        return cloud.act(server, "os-stop")

    @operation("stopped", "error")
    def start(cloud, server):
        return cloud.act(server, "os-start")

    @operation("active")
    def reboot(cloud, server):
        return cloud.act(server, "reboot", {"type": "SOFT"})

    @operation("active", "stopped", "paused", "suspended", "error")
    def reboot_hard(cloud, server):
        return cloud.act(server, "reboot", {"type": "HARD"})

    @operation("active", "stopped")
    def migrate(cloud, server):
        return _move(cloud, server, "migrate")

    @operation("active", "paused", fails=YES_OR_NO)
    def live_migrate(cloud, server, fails):
        cloud.migration_fails = fails
        return _move(cloud, server, "os-migrateLive", {"host": None, "block_migration": "auto"})

    @operation("active", "stopped", flavor=FLAVOR)
    def resize(cloud, server, flavor):
        return _move(cloud, server, "resize", {"flavorRef": cloud.flavor_ids[flavor]})

    @operation("resized", all_up=True)
    def confirm(cloud, server):
        return cloud.act(server, "confirmResize")

    @operation("resized", all_up=True)
    def revert(cloud, server):
        return cloud.act(server, "revertResize")

    @operation("active", "stopped", "paused", "suspended")
    def shelve(cloud, server):
        return cloud.act(server, "shelve")

    @operation("shelved")
    def offload(cloud, server):
        return cloud.act(server, "shelveOffload")

    @operation("shelved", "shelved_offloaded")
    def unshelve(cloud, server):
        return cloud.act(server, "unshelve")

    @operation("active", "stopped", "error", hosts=DOWN)
    def evacuate(cloud, server):
        answer = cloud.act(server, "evacuate", {})
        if answer == "ok":
            cloud.evacuated.add(server)
        return answer

    @operation("active", "stopped", "error", image=IMAGE)
    def rebuild(cloud, server, image):
        return cloud.act(server, "rebuild", {"imageRef": cloud.image_ids[image]})

    @operation("active", "stopped", image=IMAGE)
    def rescue(cloud, server, image):
        cloud.make_folder(server)
        return cloud.act(server, "rescue", {"rescue_image_ref": cloud.image_ids[image]})

    @operation("rescued")
    def unrescue(cloud, server):
        return cloud.act(server, "unrescue")

    @operation(*ANY, hosts=ANY_HOST)
    def lock_or_unlock(cloud, server):
        locked = cloud.servers()[server].locked
        return cloud.act(server, "unlock") if locked else cloud.act(server, "lock", {})

    @operation("active")
    def pause(cloud, server):
        return cloud.act(server, "pause")

    @operation("paused")
    def unpause(cloud, server):
        return cloud.act(server, "unpause")

    @operation("active")
    def suspend(cloud, server):
        return cloud.act(server, "suspend")

    @operation("suspended")
    def resume(cloud, server):
        return cloud.act(server, "resume")

    # Not for a server whose resize is not confirmed: Nova then forgets that resize, and hosts count
    # the server's next one twice.
    @operation(*DRIVEN, "rescued", "error", state=st.sampled_from(["active", "error"]))
    def reset_state(cloud, server, state):
        if not cloud.servers()[server].host:
            return "it is on no host"
        return cloud.act(server, "os-resetState", {"state": state})

    @operation(*ANY, hosts=ANY_HOST, of_so_many=3)
    def delete_softly(cloud, server):
        return cloud.asked(cloud.admin_api.delete_server, cloud.servers()[server].uuid)

    @operation("soft-delete")
    def restore(cloud, server):
        return cloud.act(server, "restore")

    @operation(*ANY, "soft-delete", of_so_many=3)
    def delete(cloud, server):
        return cloud.act(server, "forceDelete")

    @operation(*ANY, all_up=True)
    def host_goes_down(cloud, server):
        """Take down the host that the server is on."""
        if host := cloud.servers()[server].host:
            cloud.goes_down(host)

    @precondition(lambda self: self.down)
    @operation()
    def host_comes_up(cloud):
        for host in sorted(cloud.down):
            cloud.comes_up(host)

    @operation(*ANY, all_up=True)
    def restart_nova_compute(cloud, server):
        """Restart the nova-compute of the host that the server is on."""
        if host := cloud.servers()[server].host:
            cloud.restart_compute_service(host)

    @operation(flavor=FLAVOR, vcpus=st.sampled_from([1, 2, 4]))
    def edit_flavor(cloud, flavor, vcpus):
        url = f"/flavors/{cloud.flavor_ids[flavor]}/os-extra_specs"
        specs = {"extra_specs": {"minimum_cpu": str(vcpus), "minimum_memory": "512"}}
        return cloud.asked(cloud.admin_api.api_post, url, specs)

    @operation(*ANY, behaviour=BEHAVIOUR)
    def guest_behaves(cloud, server, behaviour):
        if guest := cloud.guest(server):
            guest.behaviour = behaviour

    @operation("active", memory_mb=st.sampled_from([100, 480, 700, 1000]))
    def guest_uses(cloud, server, memory_mb):
        if guest := cloud.guest(server):
            guest.uses_kib = memory_mb * 1024

    @operation(*DRIVEN, mode=MODE)
    def adjust_automatically(cloud, server, mode):
        return adjust(cloud, server, None, None, autoscale=mode)

    @operation("active", vcpus=st.sampled_from([4.0, 1.5, 0.0]))
    def guest_works(cloud, server, vcpus):
        if guest := cloud.guest(server):
            # What a guest uses while it boots does not count.
            guest.has_run(3600.0)
            guest.work(vcpus)

    @operation("active")
    def guest_restarts_itself(cloud, server):
        guest = cloud.guest(server)
        if guest and guest.active:
            guest.reset()


class _EveryRule:
    def is_enabled(self, name):
        return True


def _create(cloud, server, flavor, image):
    body = cloud._build_server(
        server, cloud.image_ids[image], cloud.flavor_ids[flavor], networks="none"
    )
    return cloud.asked(cloud.admin_api.post_server, {"server": body})


OPERATIONS["create"] = _create
# Not a rule: Nova does it by itself.
OPERATIONS["hosts_count_anew"] = count_anew


def _move(cloud, server, action, body=None):
    """Move a server, unless the host that it was evacuated from is still down.

    Nova would then pass the claim on that host to the migration, and the host, once it is up,
    would not find it. The claim would stay until the move is confirmed (so it is with a flavor
    without minimums too).

    After a live migration Nova counts the server on its new host when that host counts anew. Of a
    server that is not elastic and leaves before, Nova takes out of the sums what it has not added.
    """
    if server in cloud.evacuated:
        return "the host that it was evacuated from is down"
    if not is_counted(cloud, server):
        count_anew(cloud)
    return cloud.act(server, action, body)


def adjust(cloud, server, vcpus, memory_mb, **options):
    body = _given(current_vcpus=vcpus, current_memory_mb=memory_mb) | options
    url = f"/os-xloud-adjust/{cloud.servers()[server].uuid}"
    return cloud.asked(cloud.admin_api.api_post, url, body)


def _given(**values):
    return {name: value for name, value in values.items() if value is not None}
