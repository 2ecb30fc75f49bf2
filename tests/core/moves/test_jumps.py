"""One jump: who looks at whom, what it is tested by, and when nothing can happen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from fhl_ppl.core.couplings.alternate import choose_scouts
from fhl_ppl.core.groups import group_sizes, make_groups
from fhl_ppl.core.learners import move_shares as moves
from fhl_ppl.core.learners.move_shares import TILT
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.moves import JUMPS, MOVES
from fhl_ppl.core.moves import approach as approach_module
from fhl_ppl.core.moves.approach import SHIFT, SPREAD, approach
from fhl_ppl.core.moves.choice import Choice, jump
from fhl_ppl.core.moves.difference import partner_difference
from fhl_ppl.core.moves.move import FittedGaussian
from fhl_ppl.core.moves.rotation import rotate
from fhl_ppl.core.state import Draws, State
from tests.conftest import importorskip
from tests.invariance.exact_draws import METRICS
from tests.loops import draw
from tests.targets import TARGETS, Gaussian

CENTRE = np.array([0.4, -1.1, 2.0])
TURN = 0.35
TOWARDS_PARTNERS = ("approach", "mean rotation")
SHIFTS = ("difference", "leap")
UNIT = make_metric(np.ones(3))


def covariance_of(metric):
    return metric if metric.ndim == 2 else np.diag(metric)


def make_tuning(name, num_particles, turn=TURN, metric="dense", centre=CENTRE):
    """Every particle makes the jump `name`."""
    chosen = np.zeros((num_particles, len(JUMPS)), dtype=bool)
    chosen[:, JUMPS.index(name)] = True
    pool = FittedGaussian(centre, make_metric(METRICS[metric]), np.eye(3)[0], np.asarray(2.0))
    return Choice(np.asarray(1), chosen, chosen, 0 * CENTRE[:1], np.asarray(turn), pool)


def start_at(position, target):
    return State(position, *target.potential_and_gradient(position))


def go(state, draws, tuning, group_size, evaluate, direction=None):
    groups = make_groups(len(state.position), group_size, like=state.position)
    with np.errstate(all="ignore"):
        return jump(state, draws, tuning, groups, evaluate, UNIT, direction)


def propose(name, position, draws, group_size=4, **settings):
    """Where the jump leads to, were everything accepted."""
    state = State(position, (position**2).sum(axis=1) / 2, position)
    tuning = make_tuning(name, len(position), **settings)
    seen = []

    def watched(q):
        seen.append(q)
        return np.zeros(len(q)), q

    go(state, draws, tuning, group_size, watched)
    (proposal,) = seen
    return proposal


# Rotation.


@pytest.mark.parametrize("metric", METRICS)
def test_a_rotation_is_always_accepted_on_its_own_gaussian(metric, rng):
    target = Gaussian(CENTRE, covariance_of(METRICS[metric]))
    state = start_at(5 * rng.standard_normal((40, 3)), target)
    for name in ("renewal", "rotation"):
        _, info = go(
            state,
            draw(rng, 40, 3),
            make_tuning(name, 40, metric=metric),
            4,
            target.potential_and_gradient,
        )
        np.testing.assert_allclose(info.accept_prob, 1, rtol=1e-11)
        assert info.accepted.all()


@pytest.mark.parametrize("metric", METRICS)
def test_the_correction_is_the_ratio_of_the_proposal_densities(metric, rng):
    # q(q' -> q) / q(q -> q'), the proposal being N(c + (q - c) cos t, sin^2 t Sigma).
    position, centre = rng.standard_normal((2, 30, 3))
    angle = rng.uniform(0.1, np.pi - 0.1, 30)
    turned, correction = rotate(
        make_metric(METRICS[metric]), centre, angle, position, rng.standard_normal((30, 3))
    )
    covariance = covariance_of(METRICS[metric])
    for k in range(30):

        def log_density(to, origin, k=k):
            mean = centre[k] + (origin - centre[k]) * np.cos(angle[k])
            spread = np.sin(angle[k]) ** 2 * covariance
            return multivariate_normal.logpdf(to, mean, spread)

        ratio = log_density(position[k], turned[k]) - log_density(turned[k], position[k])
        np.testing.assert_allclose(correction[k], ratio, rtol=1e-8, atol=1e-8)


def test_a_rotation_uses_the_noise_with_the_covariance_of_the_pool(rng):
    noise, position = rng.standard_normal((2, 50_000, 3))
    covariance = METRICS["dense"]
    turned, _ = rotate(
        make_metric(covariance), CENTRE, np.full(50_000, np.pi / 2), 1e6 * position, noise
    )
    # A right angle forgets where it came from.
    np.testing.assert_allclose(turned.mean(axis=0), CENTRE, atol=0.03)
    np.testing.assert_allclose(np.cov(turned.T), covariance, atol=0.04)


@pytest.mark.parametrize("name", JUMPS)
def test_a_jump_is_tested_by_the_energies_and_the_correction(name, rng):
    target, draws = TARGETS["skewed"], draw(rng, 7, 3)
    state = start_at(target.sample(rng, 7), target)
    direction = np.array([0.0, 1.0, 0.0])
    moved, info = go(
        state, draws, make_tuning(name, 7), 4, target.potential_and_gradient, direction
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


GROUPS_OF_SEVEN = (slice(0, 4), slice(4, 7))


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


@pytest.mark.parametrize("metric", METRICS)
def test_a_renewal_forgets_where_it_came_from(metric, rng):
    position, draws = rng.standard_normal((6, 3)), draw(rng, 6, 3)
    one = propose("renewal", position, draws, metric=metric)
    other = propose("renewal", position + 3, draws, metric=metric, turn=0.9)
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


# Approach.


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


def far_and_near(draws, energy):
    """Of five particles in one group, what an approach that only far ones choose does."""
    position = 5 - draws.noise
    state = State(position, np.where(np.arange(5) == 2, 0.0, energy), position)
    shares = np.full(len(JUMPS), 0.1)
    shares[JUMPS.index("rotation")] = 0.5
    mixture = moves.start(np.array(1.0))._replace(weight=np.array([0, *shares]))
    tuning = moves.tune_jump(mixture, make_tuning("leap", 5).pool, 3, draws.strength)
    moved, info = go(state, draws, tuning, 5, lambda q: (0 * q[:, 0], q))
    return state, moved, info


def test_followers_far_above_their_leader_approach_it(rng):
    # The third is the only one right, and a scout; the last two follow.
    role, strength = np.array([0.1, 0.2, 0.3, 0.8, 0.9]), np.full(5, 0.75)
    draws = draw(rng, 5, 3)._replace(role=role, strength=strength, accept=np.zeros(5))
    above = approach_module.FAR + 3 * SHIFT
    for energy, expected in ((above + 1, "approach"), (above - 1, "mean rotation")):
        state, moved, info = far_and_near(draws, energy)
        assert [MOVES[code] for code in info.move] == ["rotation"] * 3 + [expected] * 2
        scale = np.exp(SPREAD * draws.noise[3:, :1] - SHIFT)
        closer = scale * (state.position[3:] - state.position[2])
        reached = np.allclose(moved.position[3:] - state.position[2], closer)
        assert reached == (expected == "approach")


# Difference.


def differences(position, role, group_size):
    groups = make_groups(len(position), group_size, like=position)
    is_scout = choose_scouts(groups, role)
    return partner_difference(groups, is_scout, role, position), is_scout


@given(st.integers(1, 12), st.integers(1, 8), st.integers(0, 10**6))
def test_a_difference_is_of_two_scouts_of_the_own_group(num_particles, group_size, seed):
    rng = np.random.default_rng(seed)
    apart, is_scout = differences(np.eye(num_particles), rng.random(num_particles), group_size)
    first = 0
    for size in group_sizes(num_particles, group_size):
        members = np.arange(first, first + size)
        # All of a group see the same pair; the unit vectors tell who they are.
        np.testing.assert_array_equal(apart[members], np.tile(apart[first], (size, 1)))
        if is_scout[members].sum() < 2:
            np.testing.assert_array_equal(apart[first], 0)
        else:
            plus, minus = np.flatnonzero(apart[first] == 1), np.flatnonzero(apart[first] == -1)
            assert len(plus) == len(minus) == 1
            assert np.abs(apart[first]).sum() == 2
            assert {plus[0], minus[0]} <= set(members)
            assert is_scout[plus[0]]
            assert is_scout[minus[0]]
        first += size


def test_a_pair_comes_in_either_order(rng):
    # Exchanging what the two drew turns the difference round and touches nothing else.
    position, role = rng.standard_normal((7, 3)), rng.random(7)
    apart, _ = differences(position, role, 4)
    for members in GROUPS_OF_SEVEN:
        first, second = np.argsort(role[members])[:2] + members.start
        role[[first, second]] = role[[second, first]]
    exchanged, _ = differences(position, role, 4)
    np.testing.assert_array_equal(exchanged, -apart)
    assert np.abs(apart).min() > 0


@pytest.mark.parametrize("name", SHIFTS)
def test_every_follower_jumps_either_way_by_a_coin_of_its_own(name, rng):
    position, draws = rng.standard_normal((8, 3)), draw(rng, 8, 3)
    followers = np.flatnonzero(~choose_scouts(make_groups(8, 8, like=position), draws.role))
    before = propose(name, position, draws, group_size=8)
    for k in followers:
        flipped = draws.noise.copy()
        flipped[k] *= -1
        after = propose(name, position, draws._replace(noise=flipped), group_size=8)
        # Its own jump alone is turned round.
        np.testing.assert_allclose(after[k] - position[k], position[k] - before[k], rtol=1e-10)
        others = np.arange(8) != k
        np.testing.assert_array_equal(after[others], before[others])
        assert np.abs(after[k] - before[k]).min() > 0


def test_all_ordered_pairs_of_scouts_are_as_likely(rng):
    # 4 of 8 are scouts, all 56 ordered pairs of members should come up.
    count = np.zeros((8, 8))
    for _ in range(20_000):
        apart, _ = differences(np.eye(8), rng.random(8), 8)
        count[apart[0].argmax(), apart[0].argmin()] += 1
    off_diagonal = count[~np.eye(8, dtype=bool)]
    expected = 20_000 / 56
    # Probability of a false alarm below 1e-5 for the 56 counts together (5.4 standard errors).
    np.testing.assert_allclose(off_diagonal, expected, rtol=0, atol=5.4 * np.sqrt(expected))
    np.testing.assert_array_equal(np.diag(count), 0)


@pytest.mark.parametrize("group_size", [1, 2])
@pytest.mark.parametrize("name", SHIFTS)
def test_with_a_single_scout_a_follower_stays(name, group_size, rng):
    position, draws = rng.standard_normal((6, 3)), draw(rng, 6, 3)
    proposal = propose(name, position, draws, group_size=group_size)
    is_scout = choose_scouts(make_groups(6, group_size, like=position), draws.role)
    assert is_scout.sum() == 6 // group_size
    np.testing.assert_array_equal(proposal[~is_scout], position[~is_scout])
    assert np.abs(proposal - position)[is_scout].min() > 0


@pytest.mark.parametrize("name", JUMPS)
def test_one_particle_alone_turns_about_the_pool(name, rng):
    position, draws = rng.standard_normal((5, 3)), draw(rng, 5, 3)
    proposal = propose(name, position, draws, group_size=1)
    angle = np.full(5, np.pi / 2 * (1 if name == "renewal" else TURN))
    pool = make_tuning(name, 5).pool
    expected, _ = rotate(pool.metric, np.tile(CENTRE, (5, 1)), angle, position, draws.noise)
    np.testing.assert_allclose(proposal, expected, rtol=1e-13)


# Who depends on whom.

SIZES = [(8, 8), (8, 4), (7, 4), (7, 3), (5, 4), (3, 2)]


def assert_dependence(name, num_particles, group_size, seed, propose):
    """Perturb one particle after the other, and see whose proposals change."""
    rng = np.random.default_rng(seed)
    position, draws = rng.standard_normal((num_particles, 3)), draw(rng, num_particles, 3)
    groups = make_groups(num_particles, group_size, like=position)
    is_scout = choose_scouts(groups, draws.role)
    before = propose(name, position, draws, group_size)
    looked_at = np.zeros(num_particles, dtype=bool)
    for k in range(num_particles):
        shift = np.zeros_like(position)
        shift[k] = 0.1
        changed = (propose(name, position + shift, draws, group_size) != before).any(axis=1)
        changed[k] = False
        looked_at[k] = changed.any()
        # Scouts look at nobody, followers at scouts of their own group.
        assert not (changed & is_scout).any()
        assert is_scout[k] or not changed.any()
        assert (groups.group[changed] == groups.group[k]).all()
    return looked_at


@pytest.mark.parametrize(("num_particles", "group_size"), SIZES)
@pytest.mark.parametrize("name", JUMPS)
def test_scouts_look_at_nobody_and_followers_at_resting_scouts(name, num_particles, group_size):
    looked_at = [
        assert_dependence(name, num_particles, group_size, seed, propose).any() for seed in range(5)
    ]
    partners = name in (*TOWARDS_PARTNERS, *SHIFTS)
    # Two of two particles are no pair of scouts.
    assert all(looked_at) == (partners and (group_size > 2 or name in TOWARDS_PARTNERS))
    assert any(looked_at) <= partners


def test_looking_at_a_follower_is_noticed():
    def nosy(name, position, draws, group_size):
        proposal = propose(name, position, draws, group_size)
        return proposal + 1e-6 * position.mean(axis=0)

    with pytest.raises(AssertionError):
        assert_dependence("rotation", 8, 4, 0, nosy)


@pytest.mark.parametrize("name", JUMPS)
@pytest.mark.parametrize(("num_particles", "group_size"), SIZES)
def test_groups_in_one_run_jump_as_they_would_alone(name, num_particles, group_size, rng):
    position, draws = rng.standard_normal((num_particles, 3)), draw(rng, num_particles, 3)
    together = propose(name, position, draws, group_size)
    first = 0
    for size in group_sizes(num_particles, group_size):
        mine = slice(first, first + size)
        own = type(draws)(*(part[mine] for part in draws))
        alone = propose(name, position[mine], own, group_size)
        np.testing.assert_allclose(together[mine], alone, rtol=1e-13, atol=1e-15)
        first += size


# What cannot be kept.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("bad", ["energy", "gradient"])
@pytest.mark.parametrize("name", JUMPS)
def test_a_non_finite_proposal_is_rejected_and_diverges(name, bad, value, rng):
    position, draws = rng.standard_normal((7, 3)), draw(rng, 7, 3)
    draws = draws._replace(accept=np.zeros(7))
    state = State(position, (position**2).sum(axis=1) / 2, position)
    for particle in range(7):

        def spoilt(q, particle=particle):
            energy, gradient = 1e-3 * (q**2).sum(axis=1), q.copy()
            (energy if bad == "energy" else gradient[:, 1])[particle] = value
            return energy, gradient

        moved, info = go(state, draws, make_tuning(name, 7), 4, spoilt)
        out = np.arange(7) == particle
        np.testing.assert_array_equal(info.accepted, ~out)
        np.testing.assert_array_equal(info.diverging, out)
        assert info.accept_prob[particle] == 0
        for new, old in zip(moved, state, strict=True):
            np.testing.assert_array_equal(new[particle], old[particle])
            assert np.isfinite(new).all()
        for field in info:
            assert np.isfinite(field).all()


@pytest.mark.parametrize("name", JUMPS)
def test_a_position_that_overflows_is_rejected(name, rng):
    position, draws = rng.standard_normal((6, 3)), draw(rng, 6, 3)
    state = State(position, np.zeros(6), 0 * position)
    tuning = make_tuning(name, 6, centre=np.full(3, 1e308))
    draws = draws._replace(noise=draws.noise * 1e307, accept=np.zeros(6))
    moved, info = go(state, draws, tuning, 3, lambda q: (0 * q[:, 0], 0 * q))
    for new in (*moved, info.accept_prob, info.squared_jump, info.principal_jump):
        assert np.isfinite(new).all()


@pytest.mark.parametrize("name", JUMPS)
def test_far_apart_energies_leave_a_mean(name, rng):
    # exp(-U) by itself would be 0 or infinite.
    position, draws = rng.standard_normal((8, 3)), draw(rng, 8, 3)
    for energy in (np.full(8, 1e5), np.full(8, -1e5), np.linspace(-1e5, 1e5, 8)):
        state = State(position, energy, 0 * position)
        moved, info = go(state, draws, make_tuning(name, 8), 4, lambda q: (0 * q[:, 0], 0 * q))
        assert np.isfinite(moved.position).all()
        assert np.isfinite(info.accept_prob).all()


# The choice of the jump.

weights = st.lists(
    st.sampled_from([0.0, 1e-3, 0.1, 0.3, 1.0]), min_size=len(JUMPS), max_size=len(JUMPS)
).filter(any)
uniforms = st.floats(0, 1, exclude_max=True) | st.sampled_from([0.0, 1 - 2.0**-24, 1 - 2.0**-53])


@given(weights, st.lists(uniforms, min_size=1, max_size=20), st.booleans())
def test_exactly_one_jump_is_chosen(weight, uniform, single):
    dtype = np.float32 if single else np.float64
    uniform = np.minimum(np.asarray(uniform, dtype), np.nextafter(dtype(1), dtype(0)))
    weight = np.asarray([0.5, *(0.5 * np.asarray(weight) / np.sum(weight))], dtype)
    fresh = moves.start(dtype(1))._replace(weight=weight)
    tuning = moves.tune_jump(fresh, make_tuning("leap", 1).pool, 3, uniform)
    for chosen in (tuning.chosen, tuning.chosen_far):
        assert chosen.shape == (len(uniform), len(JUMPS))
        np.testing.assert_array_equal(chosen.sum(axis=1), 1)
        possible = weight[1:] > 0
        possible[JUMPS.index("approach")] |= chosen is tuning.chosen_far
        assert possible[chosen.argmax(axis=1)].all()


def test_jumps_are_chosen_as_often_as_they_weigh():
    share = np.array([0.3, 0.0, 0.2, 0.1, 0.15, 0.25])
    fresh = moves.start(np.array(1.0))._replace(weight=np.array([0.6, *(0.4 * share)]))
    uniform = (np.arange(100_000) + 0.5) / 100_000
    tuning = moves.tune_jump(fresh, make_tuning("leap", 1).pool, 3, uniform)
    np.testing.assert_allclose(tuning.chosen.mean(axis=0), share, atol=2e-5)
    # Far above the leader an approach is likelier, and the tilt says by how much.
    far = tuning.chosen_far.mean(axis=0)
    is_approach = np.array(JUMPS) == "approach"
    np.testing.assert_allclose(far, TILT * is_approach + (1 - TILT) * share, atol=2e-5)
    possible = share > 0
    ratio = np.exp(tuning.log_tilt[possible]) * share[possible]
    np.testing.assert_allclose(ratio, far[possible], atol=2e-5)


# Other libraries and precisions.


def jump_on(arrays, name, iteration):
    """A jump, tuned and recorded, on the arrays of any library."""
    position = arrays["position"]
    target, groups = TARGETS["skewed"], make_groups(7, 4, like=position)
    metric = make_metric(arrays["dense"])
    pool = FittedGaussian(arrays["centre"], metric, arrays["centre"] / 3, arrays["two"])
    fresh = moves.start(arrays["two"])
    uniform = position[:, 0] * 0 + (JUMPS.index(name) + 0.5) / len(JUMPS)
    tuning = moves.tune_jump(fresh._replace(weight=arrays["weight"]), pool, iteration, uniform)
    draws = Draws(*(arrays[field] for field in Draws._fields))
    state = State(position, *target.potential_and_gradient(position))
    evaluate = target.potential_and_gradient
    moved, info = jump(state, draws, tuning, groups, evaluate, metric, pool.direction)
    kept = moves.record(
        fresh, tuning, info.squared_jump, info.principal_jump, pool.variance, info.num_steps, 3
    )
    on_trial = arrays["two"] > 0
    kept = moves.reweigh(kept, on_trial, trajectory_floor=0.5)
    return (*moved, *info, *tuning[:5], *kept)


@pytest.fixture
def arrays(rng):
    return {
        "position": TARGETS["skewed"].sample(rng, 7),
        "centre": CENTRE,
        "dense": METRICS["dense"],
        "two": np.array(2.0),
        "weight": np.array([0.4] + [0.1] * len(JUMPS)),
        **draw(rng, 7, 3)._asdict(),
    }


ITERATIONS = (5, 6, 123_456)


def assert_agree(outputs, expected):
    for got, wanted in zip(outputs, expected, strict=True):
        assert type(got) is not type(wanted)
        np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", JUMPS)
def test_jax_gives_what_numpy_gives(name, arrays):
    jax = importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        given_arrays = {key: jax.numpy.asarray(value) for key, value in arrays.items()}
        jitted = jax.jit(jump_on, static_argnums=1)
        for k in ITERATIONS:
            outputs = jitted(given_arrays, name, jax.numpy.asarray(k))
            assert_agree(outputs, jump_on(arrays, name, np.asarray(k)))
    finally:
        jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("name", JUMPS)
def test_torch_gives_what_numpy_gives(name, arrays):
    torch = importorskip("torch")
    given_arrays = {key: torch.from_numpy(np.asarray(value)) for key, value in arrays.items()}
    for k in ITERATIONS:
        assert_agree(jump_on(given_arrays, name, k), jump_on(arrays, name, np.asarray(k)))


@pytest.mark.parametrize("name", JUMPS)
def test_single_precision_stays_single(name, arrays):
    arrays = {key: value.astype(np.float32) for key, value in arrays.items()}
    for output in jump_on(arrays, name, 5):
        assert not np.issubdtype(np.asarray(output).dtype, np.floating) or (
            np.asarray(output).dtype == np.float32
        )
