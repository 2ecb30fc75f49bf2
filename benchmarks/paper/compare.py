"""All methods on one problem: tune each on seeds of its own, then measure with fresh ones."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.paper.methods import METHODS, Method, Setting
from benchmarks.paper.run import Course, Problem, mean_energy, run

TUNING_SEEDS = [1001, 1002]


class Contest(NamedTuple):
    """What everybody gets, and what they are judged by.

    Attributes
    ----------
    particles, budget
        As many particles and evaluations a particle for all.
    measure
        (course, seed) -> the columns of the table.
    cost
        (course, seed) -> what tuning makes small.
    watch
        What is followed during the run.
    """

    problem: Problem
    particles: int
    budget: int
    measure: Callable[[Course, int], dict[str, float | None]]
    cost: Callable[[Course, int], float]
    watch: Callable = mean_energy

    def courses(self, method: Method, settings: list[Setting], seeds: list[int]):
        return run(self.problem, method, settings, seeds, self.particles, self.budget, self.watch)


def best(contest: Contest, method: Method, grid: list[Setting]) -> Setting:
    """The setting of the lowest mean cost over the tuning seeds."""
    tried = contest.courses(method, grid, TUNING_SEEDS)

    def cost(setting):
        pairs = zip(tried[setting], TUNING_SEEDS, strict=True)
        found = [contest.cost(course, seed) for course, seed in pairs]
        return np.mean(found) if np.all(np.isfinite(found)) else np.inf

    return min(grid, key=cost)


def compare(
    contest: Contest,
    grid: Callable[[Method], list[Setting]],
    seeds: list[int],
    label: str,
    names: tuple[str, ...] = tuple(METHODS),
) -> tuple[list[dict], dict[str, Course]]:
    """A row for each method at its best setting of `grid`, and the courses of the first seed."""
    rows, first = [], {}
    for name in names:
        method = METHODS[name]
        setting = best(contest, method, grid(method))
        courses = contest.courses(method, [setting], seeds)[setting]
        rows.append({"steps": label, "method": name, "setting": str(setting)})
        rows[-1] |= gather(contest.measure(*pair) for pair in zip(courses, seeds, strict=True))
        rows[-1]["accepted"] = [course.acceptance for course in courses]
        first[name] = courses[0]
    return rows, first


def gather(measured) -> dict[str, list]:
    """[{column: figure}] for each seed to {column: [figure]}."""
    measured = list(measured)
    return {name: [one[name] for one in measured] for name in measured[0]}
