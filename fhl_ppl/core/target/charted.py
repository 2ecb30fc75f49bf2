"""A target in the coordinates of a chart (section 11)."""

from typing import Any, NamedTuple

from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.core.control import Control

Array = Any


class Charted(NamedTuple):
    """A `Target` of y, x(y) being where the user's is evaluated.

    Attributes
    ----------
    target
        The user's, whose force is the gradient of its energy.
    chart
        y -> x. Any is exact, as its volume is in the energy.
    control
        Branches: where nothing is changed nothing is worked out.
    """

    target: Any
    chart: Chart
    control: Control

    @property
    def is_random(self) -> bool:
        """As the user's."""
        return self.target.is_random

    def evaluate(
        self, position: Array, number: Array | int, known: Array, is_start: Array | bool
    ) -> tuple[Array, Array]:
        """Give U(x(y)) - log|det Dx/Dy| and its gradient by y."""
        moves, cond = charts.is_moving(self.chart), self.control.cond
        places, log_volume = cond(
            moves,
            lambda y: charts.way(self.chart, y),
            charts.no_way,
            position,
        )
        energy, gradient = self.target.evaluate(places[-1], number, known + log_volume, is_start)
        gradient = cond(
            moves,
            lambda value: charts.pull_along(self.chart, *value),
            lambda value: value[1],
            (places, gradient),
        )
        return energy - log_volume, gradient

    def energy(self, position: Array, energy: Array) -> Array:
        """The energy has been evaluated already: no charts are made for random forces."""
        return energy
