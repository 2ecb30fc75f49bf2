"""Pictures: where the particles of one seed are, beside exact draws."""

import jax
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.paper.run import Course, Problem

mpl.rcParams.update({"font.size": 8, "axes.titlesize": 8})
COLOURS = {"exact draws": "0.4", "FHL joint": "C1", "U-FHL": "C3", "FHL as shipped": "C2"}


def scatter(courses: dict[str, Course], problem: Problem, limit: float | None = None) -> Figure:
    """Particles [particle, 2 or more] of every method in a panel of its own, all on one scale."""
    count = len(next(iter(courses.values())).position)
    exact = np.asarray(problem.exact(jax.random.key(10_000), count))
    panels = {"exact draws": exact, **{name: c.position for name, c in courses.items()}}
    limit = limit or float(np.abs(exact).max()) * 1.5
    columns = 4 if len(panels) < 9 else 5
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(1.6 * columns, 1.7 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, (name, position) in zip(axes, panels.items(), strict=False):
        axis.scatter(*position[:, :2].T, s=3, lw=0, alpha=0.6, color=COLOURS.get(name, "C0"))
        axis.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[], title=name)
        axis.set_aspect("equal")
    return figure
