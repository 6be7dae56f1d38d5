"""What was measured, as a table for the documentation and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Row:
    """Times of both sides for one kind of work, in milliseconds, taken in turn.

    `floor` are those of the same work without MCP: the raw kernel, or a plain Jupyter request.
    `sizes` are bytes on the wire of our answers and the rival's; `waits` how long a plain request
    of somebody else waited at most, in milliseconds, while each of us was at it.
    """

    name: str
    ours: Sequence[float]
    rivals: Sequence[float]
    floor: Sequence[float] = ()
    unit: str = "ms"
    sizes: tuple[float, float] | None = None
    waits: tuple[float, float] | None = None

    @property
    def share(self) -> float:
        """Ours in terms of the rival's, by the medians."""
        return median(self.ours) / median(self.rivals) if self.rivals else 0.0

    def cells(self) -> list[str]:
        """For the table."""
        share = f"{self.share:.2f}" if self.rivals else "–"
        floor = f"{median(self.ours) / median(self.floor):.2f}" if self.floor else ""
        times = [self._told(self.ours), self._told(self.rivals), share, floor]
        return [self.name, *times, _pair(self.sizes), _pair(self.waits)]

    def _told(self, values: Sequence[float]) -> str:
        if not values:
            return "cannot"
        low, middle, high = min(values), median(values), max(values)
        spread = f" ({low:,.4g} to {high:,.4g})" if len(values) > 1 else ""
        return f"{middle:,.4g} {self.unit}{spread}"


HEAD = [
    "",
    *("ours: median (range)", "rival: median (range)", "ours / rival", "ours / floor"),
    *("bytes of an answer: ours, rival", "longest wait of others: ours, rival (ms)"),
]


def _pair(values: tuple[float, float] | None) -> str:
    return f"{values[0]:,.0f}, {values[1]:,.0f}" if values else ""


def markdown(rows: Sequence[Row]) -> str:
    """One table of all rows."""
    lines = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot(rows: Sequence[Row], file: Path) -> None:
    """Ours in terms of the rival's, one bar for each row; shorter is better."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [row for row in rows if row.rivals][::-1]
    figure, axes = pyplot.subplots(figsize=(9, 0.28 * len(shown) + 1))
    shares = [row.share for row in shown]
    colors = ["#4c956c" if share < 1 else "#c1666b" for share in shares]
    axes.barh([row.name for row in shown], shares, color=colors)
    axes.axvline(1, color="#444444", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("ours / rival, logarithmic; left of the line is better")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
