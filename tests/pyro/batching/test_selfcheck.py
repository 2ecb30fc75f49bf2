"""A rung that is wrong is found to be, and not used."""

import numpy as np
import pytest

from fhl_ppl.pyro.batching import batchable, ladder
from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.model.problem import problem_from_model
from tests.pyro.batching.quadratic import LAYOUT, POINTS, quadratic
from tests.pyro.models import MODELS

pytestmark = pytest.mark.usefixtures("float64")


class TestSelfCheckBites:
    """Broken on purpose: the check must see it."""

    def test_wrong_gradient_of_a_replacement(self, monkeypatch):
        right = batchable._BatchableSafeLog

        class Wrong(right):
            @staticmethod
            def backward(ctx, grad):
                return 2 * right.backward(ctx, grad)

        monkeypatch.setattr(batchable, "_BatchableSafeLog", Wrong)
        problem = problem_from_model(MODELS["mixture_enumerated"], num_particles=4)
        potential = BatchedPotential(problem.potential_fn, problem.layout)
        with pytest.warns(RuntimeWarning, match="vmap is wrong for this function: its gradient"):
            potential.energy_and_gradient(problem.position)
        assert potential.rung == "loop"

    def test_sum_over_particles(self, monkeypatch):
        def leaking(self, position, fillable=False):
            energies = (position**2).sum(1) / 2
            return energies + 0.01 * energies.sum(), position

        monkeypatch.setattr(ladder.Ladder, "_vmapped", leaking)
        potential = BatchedPotential(quadratic, LAYOUT)
        with pytest.warns(RuntimeWarning, match="vmap is wrong for this function: its energy"):
            energies, _ = potential.energy_and_gradient(POINTS)
        np.testing.assert_allclose(energies, (POINTS**2).sum(1) / 2)

    def test_a_record_that_is_right_at_the_trace_point_only(self, monkeypatch):
        class Freezing(ladder.Recorded):
            def __call__(self, _):
                return super().__call__(POINTS)

        monkeypatch.setattr(ladder, "Recorded", Freezing)
        potential = BatchedPotential(quadratic, LAYOUT)
        potential.energy_and_gradient(POINTS)
        assert potential.rung == "vmap"
        assert potential.reason.startswith("fx is wrong for this function")
        energies, _ = potential.energy_and_gradient(2 * POINTS)
        np.testing.assert_allclose(energies, 2 * (POINTS**2).sum(1))

    def test_nothing_but_the_check_stands_between_a_wrong_function_and_its_use(self, monkeypatch):
        monkeypatch.setattr(ladder.Ladder, "_vmapped", lambda self, q, fillable=False: (q[:, 0], q))
        monkeypatch.setattr(ladder, "disagreement", lambda *_: "")
        energies, _ = BatchedPotential(quadratic, LAYOUT).energy_and_gradient(POINTS)
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(energies, (POINTS**2).sum(1) / 2)
