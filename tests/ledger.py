"""What answers have acknowledged, and what may have become of calls that got none."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic


@dataclass
class Ledger:
    """What is known of each cell by its tag, and of each run by its number."""

    states: dict[str, list[tuple[float, str | None, bool]]] = field(default_factory=dict)
    """When it got which source (None: it was deleted), and whether that was acknowledged."""
    ran: dict[int, tuple[int, int]] = field(default_factory=dict)
    """How often it ran, at least and at most."""
    open_runs: dict[str, int] = field(default_factory=dict)
    """The runs by their executions that were answered as unfinished."""
    acknowledged: int = 0

    def note(self, tag: str, source: str | None, *, is_certain: bool) -> None:
        self.states.setdefault(tag, [(0.0, None, True)]).append((monotonic(), source, is_certain))
        self.acknowledged += is_certain

    def note_run(self, number: int, least: int, most: int) -> None:
        before = self.ran.get(number, (0, 0))
        self.ran[number] = before[0] + least, before[1] + most

    def possible(self, tag: str, before: float = float("inf")) -> set[str | None]:
        """What a cell may be now; or if everything after that time may have been lost."""
        states = self.states[tag]
        certain = [i for i, (when, _, is_sure) in enumerate(states) if is_sure and when <= before]
        return {source for _, source, _ in states[certain[-1] :]}

    def settle(self, found: dict[str, str], before: float = float("inf")) -> list[str]:
        """What is not as it must be; afterwards what was found is certain."""
        wrong = []
        for tag in self.states:
            possible, there = self.possible(tag, before), found.get(tag)
            if there not in possible:
                wrong.append(f"cell {tag} is {there!r}, and could be {possible}")
            self.states[tag] = [(0.0, there, True)]
        return [*wrong, *(f"nobody made cell {tag}" for tag in found.keys() - self.states.keys())]
