"""FHL as a user gets it: settings from its own warm-up, then started again from the start."""

import jax
import numpy as np

from benchmarks.paper.compare import Contest, gather
from benchmarks.paper.run import Course
from benchmarks.restarted import Restarted


def shipped_courses(
    contest: Contest, seeds: list[int], limit: int, num_warmup: int = 300, **settings
) -> list[Course]:
    """One course a seed of `limit` evaluations, those of the warm-up not counted.

    `settings` of `FHL` are for what is not as it comes.
    """
    fhl, courses = Restarted(contest.problem, contest.particles, num_warmup, **settings), []
    watch = jax.jit(contest.watch)
    for seed in seeds:
        spent, trace = [], []
        for evaluations, particles in fhl.course(seed, limit):
            spent.append(evaluations)
            trace.append(float(watch(particles)))
        position, energy = np.asarray(particles.position), np.asarray(particles.potential_energy)
        courses.append(Course(position, energy, np.array(spent), np.array(trace), np.nan))
    return courses


def shipped_row(contest: Contest, seeds: list[int], limit: int, num_warmup: int = 300) -> dict:
    """A row of the table beside those of `compare`."""
    courses = shipped_courses(contest, seeds, limit, num_warmup)
    row = {"steps": "from warm-up", "method": "FHL as shipped", "setting": f"{limit} evaluations"}
    pairs = zip(courses, seeds, strict=True)
    return row | gather(contest.measure(*pair) for pair in pairs)
