"""What a fault is: how it begins and ends, and what it needs."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum, auto

from lab.chaos.schedule import Way
from lab.chaos.supervisor import Supervisor
from lab.cloud import Cloud
from lab.layout import Compute, Layout
from lab.operations import Operations


@dataclass
class Stage:
    """What a fault may touch.

    :ivar target: the server that a fault of one server is for
    :ivar missed: the fault points that no process came to in this round
    :ivar broken_by_hand: the fault itself breaks an invariant, which the next pass has to mend
    :ivar hands: called after the fault: what a user has to do where no cloud recovers by itself
    """

    layout: Layout
    cloud: Cloud
    operations: Operations
    supervisor: Supervisor
    target: str
    missed: list[str] = field(default_factory=list)
    broken_by_hand: bool = False
    hands: list[Callable[[], None]] = field(default_factory=list)

    @property
    def compute(self) -> Compute:
        """The compute host of the target."""
        host = self.cloud.host(self.target)
        return next(c for c in self.layout.computes if c.hostname == host)

    @property
    def nova_compute(self) -> str:
        """The name of the nova-compute of the target's host."""
        return self.compute.daemon("nova-compute")


class Teller(Enum):
    """Who has answered a request for an adjustment with a 5xx.

    ``OURS`` is nova-api with an error that nothing has caught. ``DATABASE`` is the same, if the
    error is one of Nova's database. ``IN_FRONT`` is what stands before Nova, such as the filter
    that asks Keystone.
    """

    OURS = auto()
    DATABASE = auto()
    IN_FRONT = auto()


Begin = Callable[[Stage], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """A fault, which begins when its context is entered, and ends when that is left.

    :ivar begin: returns the context
    :ivar seconds: how long the fault lasts; 0 for one without a duration, such as a kill
    :ivar first: the fault begins before the servers are asked for sizes
    :ivar way: whether the fault needs a request that grows its target, or one that shrinks it
    :ivar alone: the fault is never caused together with another one
    :ivar blinds: while the fault lasts and just after it, the checker of the invariants cannot read
        all that it judges; in other faults it is a violation that the checker cannot
    :ivar may_answer: who may answer a request with a 5xx because of the fault
    """

    name: str
    begin: Begin
    seconds: float = 0.0
    first: bool = False
    way: Way = Way.ANY
    alone: bool = False
    blinds: bool = False
    may_answer: frozenset[Teller] = frozenset()
