"""One iteration: what is accepted, what is reported, and that the state kept is always finite."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.couplings.alternate import choose_scouts
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.iteration import DIVERGENCE_THRESHOLD, Tuning, iterate
from fhl_ppl.core.learners import pull as pulls
from fhl_ppl.core.metrics import kinetic_energy, whiten
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.metropolis import keep
from fhl_ppl.core.state import State
from fhl_ppl.core.target import Plain
from tests.loops import draw
from tests.targets import TARGETS

DENSE = make_metric(np.array([[0.5, 0.3, -0.2], [0.3, 1.0, 0.1], [-0.2, 0.1, 1.6]]))


@pytest.fixture(params=COUPLINGS)
def coupling(request):
    return COUPLINGS[request.param]


def go(potential_and_gradient, start, coupling, draws, group_size=4, adjusted=True, **tuning):
    """One iteration from `start`; the far sides of potentials may overflow."""
    given_tuning = {"step_size": 0.3, "num_steps": 4, "pulling_strength": 1.0, "metric": DENSE}
    with np.errstate(all="ignore"):
        return iterate(
            State(start, *potential_and_gradient(start)),
            draws,
            Tuning(**{**given_tuning, **tuning}),
            make_groups(len(start), group_size, like=start),
            coupling,
            Plain(potential_and_gradient),
            PYTHON,
            adjusted,
        )


def spoilt(bad, where, particle, value):
    """A Gaussian that gives `value` for the energy or gradient of one particle once it moved."""

    def potential_and_gradient(q):
        energy, gradient = (q**2).sum(axis=1) / 2, q.copy()
        if (q != where).any():
            if bad == "energy":
                energy[particle] = value
            else:
                gradient[particle, 1] = value
        return energy, gradient

    return potential_and_gradient


def touched(coupling, groups, particle):
    """Who is rejected with a particle: it alone, or its whole group."""
    alone = np.arange(len(groups.group)) == particle
    return alone if coupling is COUPLINGS["alternate"] else groups.group == groups.group[particle]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("bad", ["energy", "gradient"])
@pytest.mark.parametrize("adjusted", [True, False])
def test_a_non_finite_proposal_is_rejected_and_diverges_but_at_a_wall(
    bad, value, coupling, adjusted, rng
):
    start, draws = rng.standard_normal((7, 3)), draw(rng, 7, 3)._replace(accept=np.zeros(7))
    groups = make_groups(7, 4, like=start)
    for particle in range(7):
        potential_and_gradient = spoilt(bad, start, particle, value)
        state, info = go(
            potential_and_gradient, start, coupling, draws, adjusted=adjusted, step_size=0.1
        )
        # Alternate: no follower's leader is anything but resting, so no one else is touched.
        out = touched(coupling, groups, particle)
        np.testing.assert_array_equal(info.accepted, ~out)
        np.testing.assert_array_equal(info.accept_prob[out], 0)
        np.testing.assert_array_equal(state.position[out], start[out])
        assert (state.position[~out] != start[~out]).any(axis=1).all()
        is_wall = bad == "energy" and value == np.inf
        np.testing.assert_array_equal(info.diverging, out & (not is_wall))
        np.testing.assert_array_equal(info.is_lost, out)
        for field in (*state, *info[:1], info.energy, info.squared_jump):
            assert np.isfinite(field).all()


def test_a_non_finite_momentum_alone_is_rejected(coupling, rng):
    # The last kick overflows: everything else stays finite.
    start, draws = rng.standard_normal((4, 3)), draw(rng, 4, 3)._replace(accept=np.zeros(4))

    def potential_and_gradient(q):
        gradient = q.copy()
        if (q != start).any():
            gradient[1] = 1.7e308
        return (q**2).sum(axis=1) / 2, gradient

    _, info = go(
        potential_and_gradient,
        start,
        coupling,
        draws,
        step_size=0.1,
        num_steps=1,
        metric=make_metric(np.ones(3)),
    )
    assert not info.accepted[1]
    np.testing.assert_array_equal(info.diverging, ~info.accepted)


def test_a_position_that_is_not_finite_is_refused_whatever_its_energy(coupling, rng):
    # A flat energy has a value everywhere, also at infinity.
    start, draws = rng.standard_normal((4, 3)), draw(rng, 4, 3)._replace(accept=np.zeros(4))
    draws.noise[:] = 0.1
    draws.noise[1] = 10.0

    def flat(q):
        return 0 * start[:, 0], 0 * start

    with np.errstate(over="ignore"):
        state, info = go(
            flat, start, coupling, draws, 2, step_size=1e308, num_steps=1, pulling_strength=None
        )
    out = touched(coupling, make_groups(4, 2, like=start), 1)
    np.testing.assert_array_equal(info.accepted, ~out)
    np.testing.assert_array_equal(state.position[out], start[out])


@pytest.mark.parametrize("kick", [1e-3, 1e3])
def test_a_momentum_that_blows_up_behind_a_wall_diverges(kick, coupling, rng):
    start, draws = rng.standard_normal((4, 3)), draw(rng, 4, 3)

    def potential_and_gradient(q):
        out = (q != start).any() & (np.arange(4) == 1)
        return np.where(out, np.inf, 0 * q[:, 0]), np.where(out[:, None], kick, 0.0) + 0 * q

    _, info = go(
        potential_and_gradient, start, coupling, draws, step_size=0.1, pulling_strength=0.0
    )
    assert not info.accepted[1]
    assert info.diverging[1] == (kick > 1)


@pytest.mark.parametrize(("excess", "diverges"), [(0.999, False), (1.001, True)])
def test_an_energy_error_above_the_threshold_diverges(excess, diverges, coupling, rng):
    start, draws = rng.standard_normal((6, 3)), draw(rng, 6, 3)
    flat = start[:, 0] * 0

    def potential_and_gradient(q):
        energy = flat.copy()
        energy[2] += excess * DIVERGENCE_THRESHOLD * (q != start).any()
        return energy, 0 * q

    _, info = go(potential_and_gradient, start, coupling, draws, pulling_strength=0.0)
    unit = touched(coupling, make_groups(6, 3, like=start), 2)
    np.testing.assert_array_equal(info.diverging, diverges & unit)
    assert not info.accepted[2]


def ball(q, centre, radius):
    return ((q - centre) ** 2).sum(axis=1) < radius**2


values = st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308, 1e160])
regions = st.lists(
    st.tuples(st.integers(0, 10**6), st.floats(0.1, 2.0), values, st.booleans()), max_size=5
)


def assert_stays_finite(spots, coupling, adjusted, pull, step_size, seed):
    """Four iterations where the energy or the gradient is spoilt in some balls."""
    spots = [(2 * np.random.default_rng(s).standard_normal(3), *rest) for s, *rest in spots]

    def potential_and_gradient(q):
        energy, gradient = TARGETS["skewed"].potential_and_gradient(q)
        for centre, radius, value, in_energy in spots:
            inside = ball(q, centre, radius)
            energy = np.where(inside & in_energy, value, energy)
            gradient = np.where((inside & (not in_energy))[:, None], value, gradient)
        return energy, gradient

    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        position = TARGETS["skewed"].sample(rng, 300)
        energy, gradient = potential_and_gradient(position)
        # Somewhere fine to start from; a sampler would look until it found one.
        fine = np.isfinite(energy) & np.isfinite(gradient).all(axis=1)
        position = position[fine][:5]
        mixture = pulls.start(np.zeros(()))
        for _ in range(4):
            draws = draw(rng, len(position), 3)
            state, info = go(
                potential_and_gradient,
                position,
                COUPLINGS[coupling],
                draws,
                group_size=3,
                adjusted=adjusted,
                step_size=step_size,
                num_steps=3,
                pulling_strength=pull,
            )
            position = state.position
            chosen = pulls.choose(mixture, draws.strength)
            mixture = pulls.record(mixture, chosen, info.squared_jump, info.is_pulled, 3)
        energy, gradient = potential_and_gradient(position)
    for name, field in {**state._asdict(), **info._asdict(), **mixture._asdict()}.items():
        assert np.isfinite(field).all(), name
    np.testing.assert_array_equal(state.potential_energy, energy)
    np.testing.assert_array_equal(state.gradient, gradient)
    assert ((info.accept_prob >= 0) & (info.accept_prob <= 1)).all()


@settings(max_examples=200)
@given(
    regions,
    st.sampled_from(sorted(COUPLINGS)),
    st.booleans(),
    st.sampled_from([0.0, 1.0, 1e3, 1e200]),
    st.sampled_from([1e-2, 0.5, 10.0, 1e100]),
    st.integers(0, 10**6),
)
# A rejected jump so long that its square overflows.
@example([], "joint", False, 1e3, 1e100, 0)
def test_the_state_kept_is_always_finite(spots, coupling, adjusted, pull, step_size, seed):
    assert_stays_finite(spots, coupling, adjusted, pull, step_size, seed)


def test_an_iteration_that_keeps_what_is_not_finite_is_noticed(monkeypatch):
    def accept_everything(groups, change, draws):
        return np.zeros_like(change), draws.accept

    spots = [(seed, 1.0, np.nan, False) for seed in range(20)]
    assert_stays_finite(spots, "alternate", False, 1.0, 0.5, 0)
    monkeypatch.setattr(COUPLINGS["alternate"], "log_accept_ratio", accept_everything)
    with pytest.raises(AssertionError):
        assert_stays_finite(spots, "alternate", False, 1.0, 0.5, 0)


@pytest.mark.parametrize("adjusted", [True, False])
def test_what_is_reported_is_what_happened(coupling, adjusted, rng):
    target, draws = TARGETS["skewed"], draw(rng, 7, 3)
    start = target.sample(rng, 7)
    groups = make_groups(7, 4, like=start)
    # Followed step by step with everything accepted, the proposals show.
    proposal, _ = go(
        target.potential_and_gradient,
        start,
        coupling,
        draws._replace(accept=np.zeros(7)),
        adjusted=False,
        step_size=0.7,
    )
    state, info = go(
        target.potential_and_gradient, start, coupling, draws, adjusted=adjusted, step_size=0.7
    )
    chosen = np.where(info.accepted[:, None], proposal.position, start)
    np.testing.assert_array_equal(state.position, chosen)
    energy, gradient = target.potential_and_gradient(state.position)
    np.testing.assert_allclose(state.potential_energy, energy, rtol=1e-13)
    np.testing.assert_allclose(state.gradient, gradient, rtol=1e-12, atol=1e-13)

    uniform = draws.accept
    if coupling is COUPLINGS["joint"]:
        uniform = uniform[[0, 0, 0, 0, 4, 4, 4]]
        np.testing.assert_array_equal(info.accept_prob, info.accept_prob[[0, 0, 0, 0, 4, 4, 4]])
    np.testing.assert_array_equal(info.accepted, (uniform < info.accept_prob) | (not adjusted))
    jump = whiten(DENSE, proposal.position - start)
    np.testing.assert_allclose(
        info.squared_jump, info.accept_prob * (jump**2).sum(axis=1), rtol=1e-10
    )
    assert 0 < info.accept_prob.mean() < 1
    if adjusted:
        before = target.potential_and_gradient(start)[0] + kinetic_energy(
            DENSE, draws.noise @ DENSE.whitener
        )
        np.testing.assert_allclose(info.energy[~info.accepted], before[~info.accepted], rtol=1e-12)
    else:
        assert info.accepted.all()
    np.testing.assert_array_equal(info.pulling_strength, 1.0)
    assert info.num_steps == 4
    np.testing.assert_array_equal(info.move, 0)
    if coupling is COUPLINGS["alternate"]:
        np.testing.assert_array_equal(info.is_pulled, ~choose_scouts(groups, draws.role))
    assert info.is_leader[:4].sum() == info.is_leader[4:].sum() == 1


def test_the_metropolis_test_is_of_each_or_of_the_sum(coupling, rng):
    target, draws = TARGETS["skewed"], draw(rng, 7, 3)
    start = target.sample(rng, 7)
    _, proposal = go(
        target.potential_and_gradient,
        start,
        coupling,
        draws._replace(accept=np.zeros(7)),
        adjusted=False,
        step_size=0.6,
    )
    _, info = go(target.potential_and_gradient, start, coupling, draws, step_size=0.6)
    momentum = draws.noise @ DENSE.whitener
    energy = target.potential_and_gradient(start)[0] + kinetic_energy(DENSE, momentum)
    change = proposal.energy - energy
    if coupling is COUPLINGS["joint"]:
        change = np.repeat([change[:4].sum(), change[4:].sum()], [4, 3])
    np.testing.assert_allclose(info.accept_prob, np.exp(np.minimum(-change, 0)), rtol=1e-11)
    assert info.accept_prob.min() < 0.99


def test_each_is_tested_by_a_number_of_its_own():
    start, end = (State(np.full((3, 2), x), np.zeros(3), np.zeros((3, 2))) for x in (0.0, 1.0))
    uniform, log_ratio = np.array([0.9, 0.4, 0.6]), np.log([0.5, 0.5, 0.7])
    state, verdict = keep(start, end, log_ratio, uniform, make_metric(np.ones(2)), None)
    np.testing.assert_array_equal(verdict.accepted, [False, True, True])
    np.testing.assert_array_equal(state.position[:, 0], [0, 1, 1])


def test_no_strength_is_a_strength_of_zero(coupling, rng):
    target, draws = TARGETS["skewed"], draw(rng, 7, 3)
    start = target.sample(rng, 7)
    zero = go(target.potential_and_gradient, start, coupling, draws, pulling_strength=0.0)
    none = go(target.potential_and_gradient, start, coupling, draws, pulling_strength=None)
    for one, other in zip((*zero[0], *zero[1]), (*none[0], *none[1]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_particle_alone_is_plain_hmc(coupling, rng):
    target, draws = TARGETS["skewed"], draw(rng, 5, 3)
    start = target.sample(rng, 5)
    state, info = go(
        target.potential_and_gradient, start, coupling, draws, group_size=1, pulling_strength=9.0
    )
    plain, hmc = go(
        target.potential_and_gradient, start, COUPLINGS["alternate"], draws, pulling_strength=0.0
    )
    np.testing.assert_array_equal(state.position, plain.position)
    np.testing.assert_array_equal(info.accept_prob, hmc.accept_prob)
    assert hmc.is_free.all()
