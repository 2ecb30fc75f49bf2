"""Which jump is made: one, as often as it weighs, and far above the leader by another law."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhl_ppl.core.moves.choice import TILT, choose_jumps
from fhl_ppl.core.moves.jump import Jump, log_ratio_of_jumps
from fhl_ppl.core.moves.move import Offer
from fhl_ppl.core.state import State
from tests.core.moves.scenes import make_choice
from tests.invariance.jumping import NAMES

FITTED = make_choice("leap", 1).fitted

weights = st.lists(
    st.sampled_from([0.0, 1e-3, 0.1, 0.3, 1.0]), min_size=len(NAMES), max_size=len(NAMES)
).filter(any)
uniforms = st.floats(0, 1, exclude_max=True) | st.sampled_from([0.0, 1 - 2.0**-24, 1 - 2.0**-53])


@given(weights, st.lists(uniforms, min_size=1, max_size=20), st.booleans())
def test_exactly_one_jump_is_chosen(weight, uniform, single):
    dtype = np.float32 if single else np.float64
    uniform = np.minimum(np.asarray(uniform, dtype), np.nextafter(dtype(1), dtype(0)))
    jumps = np.asarray(0.5 * np.asarray(weight) / np.sum(weight), dtype)
    tuning = choose_jumps(NAMES, np.full(1, 0.5, dtype), jumps, FITTED, 3, uniform)
    for chosen in (tuning.chosen, tuning.chosen_far):
        assert chosen.shape == (len(uniform), len(NAMES))
        np.testing.assert_array_equal(chosen.sum(axis=1), 1)
        possible = jumps > 0
        possible[NAMES.index("approach")] |= chosen is tuning.chosen_far
        assert possible[chosen.argmax(axis=1)].all()


def test_jumps_are_chosen_as_often_as_they_weigh():
    # The second is never made.
    share = np.arange(len(NAMES)) + 2.0
    share[1] = 0
    share /= share.sum()
    uniform = (np.arange(100_000) + 0.5) / 100_000
    tuning = choose_jumps(NAMES, np.array([0.6]), 0.4 * share, FITTED, 3, uniform)
    np.testing.assert_allclose(tuning.chosen.mean(axis=0), share, atol=2e-5)
    # Far above the leader an approach is likelier, and the tilt says by how much.
    far = tuning.chosen_far.mean(axis=0)
    is_approach = np.array(NAMES) == "approach"
    np.testing.assert_allclose(far, TILT * is_approach + (1 - TILT) * share, atol=2e-5)
    possible = share > 0
    ratio = np.exp(tuning.log_tilt[possible]) * share[possible]
    np.testing.assert_allclose(ratio, far[possible], atol=2e-5)


def test_without_approaches_on_offer_all_choose_alike():
    names, share = ("rotation", "leap"), np.array([0.3, 0.1])
    uniform = (np.arange(1000) + 0.5) / 1000
    tuning = choose_jumps(names, np.array([0.6]), share, FITTED, 3, uniform)
    np.testing.assert_array_equal(tuning.chosen_far, tuning.chosen)
    np.testing.assert_array_equal(tuning.log_tilt, 0)
    np.testing.assert_allclose(tuning.chosen.mean(axis=0), [0.75, 0.25])


@pytest.mark.parametrize("name", ["approach", "rotation"])
@pytest.mark.parametrize(("begins", "ends"), list(product([False, True], repeat=2)))
def test_the_test_knows_by_which_law_the_way_back_is_chosen(begins, ends, name):
    """log of the probability of the way back over that of the way there, of each jump."""
    share = np.arange(len(NAMES)) + 1.0
    share /= share.sum()
    made = np.array([[one == name for one in NAMES]])
    tilt = choose_jumps(NAMES, np.array([0.5]), 0.5 * share, FITTED, 3, np.zeros(1)).log_tilt
    near = share[NAMES.index(name)]
    far = TILT * (name == "approach") + (1 - TILT) * near
    # In two dimensions thousands above the leader is far, and a half is not.
    low, high, at = 0.5, 5000.5, np.zeros((1, 2))
    start, end = (State(at, np.array([high if is_far else low]), at) for is_far in (begins, ends))
    jump = Jump(Offer(at, np.array([0.25])), made, tilt[made[0]], np.array([begins]))
    leader = SimpleNamespace(potential_energy=np.zeros(1))
    roles = SimpleNamespace(is_pulled=np.array([True]), leader=leader)
    found = log_ratio_of_jumps(jump, roles, start, end)
    laws = np.log([far if is_far else near for is_far in (begins, ends)])
    expected = 0.25 + start.potential_energy - end.potential_energy + laws[1] - laws[0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
