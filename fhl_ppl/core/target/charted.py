"""A target in the coordinates of a chart (section 11)."""

from typing import Any, NamedTuple

from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts.chart import Chart

Array = Any


class Charted(NamedTuple):
    """A `Target` of y, x(y) being where the user's is evaluated.

    Attributes
    ----------
    target
        The user's, whose force is the gradient of its energy.
    chart
        y -> x. Any is exact, as its volume is in the energy.
    """

    target: Any
    chart: Chart

    @property
    def is_random(self) -> bool:
        """As the user's."""
        return self.target.is_random

    def evaluate(
        self, position: Array, number: Array | int, known: Array, is_start: Array | bool
    ) -> tuple[Array, Array]:
        """Give U(x(y)) - log|det Dx/Dy| and its gradient by y."""
        where, log_volume = charts.to_position(self.chart, position)
        energy, gradient = self.target.evaluate(where, number, known + log_volume, is_start)
        return energy - log_volume, charts.pull_back(self.chart, position, gradient)

    def energy(self, position: Array, energy: Array) -> Array:
        """The energy has been evaluated already: no charts are made for random forces."""
        return energy
