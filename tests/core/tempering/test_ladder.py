"""The ladder: rungs move to where all pairs are rejected alike."""

import numpy as np
import pytest

from fhl_ppl.core.tempering import ladder as rungs
from fhl_ppl.core.tempering.swap import decide
from tests.tempered import exact_draws, path

PARTICLES = 4000


def learnt(renew, rounds=6, temperatures=5):
    """Rejections on the ladder that exact draws lead to."""
    rng = np.random.default_rng(0)
    ladder = rungs.start(temperatures, np.zeros(1))
    # Far from where it should be.
    ladder = ladder._replace(beta=ladder.beta**3)
    for turn in range(rounds + 1):
        if turn:
            ladder = renew(ladder)
        for iteration in range(2):
            position = exact_draws(rng, ladder.beta, PARTICLES)
            tension = path().parts(position.reshape(-1, 1)).tension
            uniform = rng.random((temperatures - 1, PARTICLES))
            tension = tension.reshape(temperatures, PARTICLES)
            ladder = rungs.observe(ladder, decide(ladder.beta, tension, uniform, iteration))
    return ladder


def test_all_pairs_are_rejected_alike():
    ladder = learnt(rungs.renew)
    assert np.ptp(rungs.rejection(ladder)) < 0.05
    assert ladder.beta[0] == 1
    assert ladder.beta[-1] == 0
    assert (np.diff(ladder.beta) < 0).all()


@pytest.mark.parametrize(
    "broken",
    [
        lambda ladder: rungs.renew(ladder._replace(rejected=ladder.tried - ladder.rejected)),
        rungs.reset,
    ],
    ids=["by acceptance", "not at all"],
)
def test_a_ladder_set_otherwise_is_noticed(broken):
    assert np.ptp(rungs.rejection(learnt(broken))) > 0.1


def test_a_pair_that_was_never_tried_moves_nothing():
    ladder = rungs.start(4, np.zeros(1))
    ladder = ladder._replace(tried=np.array([1.0, 0.0, 1.0]), rejected=np.array([0.9, 0.0, 0.1]))
    np.testing.assert_array_equal(rungs.renew(ladder).beta, ladder.beta)


def test_a_pair_that_was_never_tried_has_not_been_rejected():
    np.testing.assert_array_equal(rungs.rejection(rungs.start(4, np.zeros(1))), [0, 0, 0])


def test_rungs_do_not_fall_on_one_another_where_nothing_is_rejected():
    ladder = rungs.start(5, np.zeros(1))
    ladder = ladder._replace(tried=np.ones(4), rejected=np.array([0.0, 1.0, 0.0, 0.0]))
    assert (np.diff(rungs.renew(ladder).beta) < -1e-4).all()
