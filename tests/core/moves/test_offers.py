"""What each jump offers, and what it is tested by, worked out by plain loops."""

import numpy as np
import pytest

from fhl_ppl.core.couplings.alternate import choose_scouts
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moves import MOVES
from fhl_ppl.core.moves.approach import SHIFT, SPREAD
from fhl_ppl.core.moves.rotation import rotate
from fhl_ppl.core.state import State
from tests.core.moves.scenes import CENTRE, TURN, go, make_choice, normal, propose
from tests.core.moves.test_difference import GROUPS_OF_SEVEN, SHIFTS
from tests.invariance.exact_draws import METRICS
from tests.loops import draw
from tests.targets import TARGETS

WORKED_OUT = ("renewal", "rotation", "approach", "mean rotation", "difference", "leap")


@pytest.mark.parametrize("name", WORKED_OUT)
def test_a_jump_is_tested_by_the_energies_and_the_correction(name, rng):
    target, draws = TARGETS["skewed"], draw(rng, 7, 3)
    position = target.sample(rng, 7)
    state = State(position, *target.potential_and_gradient(position))
    direction = np.array([0.0, 1.0, 0.0])
    moved, info = go(
        state, draws, make_choice(name, 7), 4, target.potential_and_gradient, direction
    )
    is_scout = choose_scouts(make_groups(7, 4, like=state.position), draws.role)
    centre = expected_centres(name, state, is_scout)
    proposal = expected_proposals(name, state, draws, is_scout, centre)
    energy, gradient = target.potential_and_gradient(proposal)
    precision = np.linalg.inv(METRICS["dense"])

    def reference(q):
        return np.einsum("ka,ab,kb->k", q - centre, precision, q - centre) / 2

    log_ratio = state.potential_energy - energy
    correction = reference(proposal) - reference(state.position)
    if name in SHIFTS:
        correction = np.where(is_scout, correction, 0)
    if name == "approach":
        log_scale = SPREAD * draws.noise[:, 0] - SHIFT
        correction = np.where(is_scout, correction, (3 + 2 * SHIFT / SPREAD**2) * log_scale)
    accept_prob = np.exp(np.minimum(log_ratio + correction, 0))
    np.testing.assert_allclose(info.accept_prob, accept_prob, rtol=1e-10)
    np.testing.assert_array_equal(info.accepted, draws.accept < accept_prob)
    for new, proposed, old in zip(moved, (proposal, energy, gradient), state, strict=True):
        accepted = info.accepted.reshape((-1,) + (1,) * (old.ndim - 1))
        wanted = np.where(accepted, proposed, old)
        np.testing.assert_allclose(new, wanted, rtol=1e-11, atol=1e-13)
    step = proposal - state.position
    np.testing.assert_allclose(info.squared_jump, accept_prob * (step**2).sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(info.principal_jump, accept_prob * step[:, 1] ** 2, rtol=1e-9)
    assert info.num_steps == 1
    own = name if name == "renewal" else "rotation"
    made = [MOVES[code] for code in info.move]
    assert made == [own if scout else name for scout in is_scout]


def expected_centres(name, state, is_scout):
    """About what each of seven particles in groups of 4 and 3 turns."""
    centre = np.tile(CENTRE, (7, 1))
    for members in GROUPS_OF_SEVEN:
        scouts = np.flatnonzero(is_scout[members]) + members.start
        followers = np.flatnonzero(~is_scout[members]) + members.start
        energy, position = state.potential_energy[scouts], state.position[scouts]
        if name == "mean rotation":
            centre[followers] = np.average(position, weights=np.exp(-energy), axis=0)
    return centre


def expected_proposals(name, state, draws, is_scout, centre):
    position = state.position
    angle = np.full(7, np.pi / 2 * TURN)
    if name == "mean rotation":
        angle = np.where(is_scout, angle, np.pi * TURN)
    if name == "renewal":
        angle = np.full(7, np.pi / 2)
    # S^(1/2) of the correlations, times the scales.
    scale = np.sqrt(np.diag(METRICS["dense"]))
    values, vectors = np.linalg.eigh(METRICS["dense"] / np.outer(scale, scale))
    root = scale[:, None] * (vectors * np.sqrt(values)) @ vectors.T
    xi = np.linalg.solve(make_metric(METRICS["dense"]).whitener, draws.noise.T).T
    np.testing.assert_allclose(xi, draws.noise @ root.T, rtol=1e-10)
    turned = centre + np.cos(angle)[:, None] * (position - centre) + np.sin(angle)[:, None] * xi
    if name == "approach":
        scale = np.exp(SPREAD * draws.noise[:, :1] - SHIFT)
        for members in GROUPS_OF_SEVEN:
            energy = np.where(is_scout[members], state.potential_energy[members], np.inf)
            leader = position[members][np.argmin(energy)]
            turned[members] = np.where(
                is_scout[members, None],
                turned[members],
                leader + scale[members] * (position[members] - leader),
            )
        return turned
    if name not in SHIFTS:
        return turned
    gamma = 1.0 if name == "leap" else 2.38 / np.sqrt(2 * 3)
    proposal = position.copy()
    for members in GROUPS_OF_SEVEN:
        scouts = np.flatnonzero(is_scout[members]) + members.start
        first, second = scouts[np.argsort(draws.role[scouts])][:2]
        sign = np.sign(draws.noise[members, :1])
        proposal[members] += sign * gamma * (position[first] - position[second])
    return np.where(is_scout[:, None], turned, proposal)


@pytest.mark.parametrize("name", WORKED_OUT)
def test_one_particle_alone_turns_about_the_pool(name, rng):
    position, draws = rng.standard_normal((5, 3)), draw(rng, 5, 3)
    proposal = propose(name, position, draws, group_size=1)
    angle = np.full(5, np.pi / 2 * (1 if name == "renewal" else TURN))
    metric = make_choice(name, 5).fitted.metric
    xi = normal(metric, draws.noise)
    expected, _ = rotate(metric, np.tile(CENTRE, (5, 1)), angle, position, xi)
    np.testing.assert_allclose(proposal, expected, rtol=1e-13)
