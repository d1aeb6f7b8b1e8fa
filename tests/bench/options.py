"""The options of a measure: how much of it to make, and in which order."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The same for every measure.

    :ivar pairs: of each figure; None leaves it to the measure
    :ivar quick: as few as show that the measure works; such figures are not kept
    :ivar rounds: fresh clouds for the pairs, of boot and scheduling
    :ivar hosts: to schedule among
    :ivar seed: of all orders
    :ivar same: stock against stock: how far off is no difference?
    """

    pairs: int | None = None
    quick: bool = False
    rounds: int = 3
    hosts: int = 50
    seed: int = 1
    same: bool = False

    def count(self, usual, quick):
        """How many: ``pairs`` where it is given, otherwise what the measure says here."""
        return self.pairs or (quick if self.quick else usual)
