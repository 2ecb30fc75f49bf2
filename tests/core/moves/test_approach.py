"""Approach: what it is tested by, and who makes it."""

import numpy as np
from scipy.stats import norm

from fhl_ppl.core.moves import approach as approach_module
from fhl_ppl.core.moves.approach import SHIFT, SPREAD, approach
from fhl_ppl.core.moves.choice import choose_jumps
from fhl_ppl.core.state import State
from tests.core.moves.scenes import go, make_choice
from tests.loops import draw


def test_an_approach_is_tested_by_the_ratio_of_the_proposal_densities(rng):
    # On the line from c the distance r goes to z r; its density in dim dimensions is p(z) / r^dim.
    centre, position = rng.standard_normal((2, 30, 3))
    closer, correction = approach(centre, position, rng.standard_normal(30))
    log_scale = np.log(np.linalg.norm(closer - centre, axis=1))
    log_scale -= np.log(np.linalg.norm(position - centre, axis=1))
    np.testing.assert_allclose(
        closer - centre, np.exp(log_scale)[:, None] * (position - centre), rtol=1e-10
    )
    law = norm(-SHIFT, SPREAD)
    back = law.logpdf(-log_scale) - law.logpdf(log_scale)
    np.testing.assert_allclose(correction, back + 3 * log_scale, rtol=1e-9, atol=1e-9)


OFFERED = ("renewal", "rotation", "approach", "mean rotation", "leap")


def far_and_near(draws, energy):
    """Of five particles in one group, what an approach that only far ones choose does."""
    position = 5 - draws.noise
    state = State(position, np.where(np.arange(5) == 2, 0.0, energy), position)
    # The uniform number of all is for the last but one, unless they are far.
    shares = np.array([0.1, 0.5, 0.1, 0.1, 0.2])
    fitted = make_choice("leap", 5).fitted
    choice = choose_jumps(OFFERED, np.zeros(1), shares, fitted, 3, draws.strength)
    moved, info = go(state, draws, choice, 5, lambda q: (0 * q[:, 0], q), names=OFFERED)
    return state, moved, info


def test_followers_far_above_their_leader_approach_it(rng):
    # The third is the only one right, and a scout; the last two follow.
    role, strength = np.array([0.1, 0.2, 0.3, 0.8, 0.9]), np.full(5, 0.75)
    draws = draw(rng, 5, 3)._replace(role=role, strength=strength, accept=np.zeros(5))
    above = approach_module.FAR + 3 * SHIFT
    for energy, expected in ((above + 1, "approach"), (above - 1, "mean rotation")):
        state, moved, info = far_and_near(draws, energy)
        assert [OFFERED[code - 1] for code in info.move] == ["rotation"] * 3 + [expected] * 2
        scale = np.exp(SPREAD * draws.noise[3:, :1] - SHIFT)
        closer = scale * (state.position[3:] - state.position[2])
        reached = np.allclose(moved.position[3:] - state.position[2], closer)
        assert reached == (expected == "approach")
