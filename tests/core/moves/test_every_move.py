"""What holds for every move on offer; a new one is tested without a line more.

Of its own only the broken twins are asked for that `tests.invariance.test_moves` tries. Where a
move starts from something that no other needs, `tests.core.moves.scenes` has to make it.
"""

from functools import partial

import numpy as np
import pytest

from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.couplings.alternate import choose_scouts
from fhl_ppl.core.groups import group_sizes, make_groups
from fhl_ppl.core.homes import make_homes
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.learners import move_shares
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.mixture import Mixture
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.moves.choice import choose_jumps
from fhl_ppl.core.moves.move import FittedGaussian
from fhl_ppl.core.state import Draws, State
from fhl_ppl.core.target import Plain, state_at
from fhl_ppl.options import Options
from tests.conftest import importorskip
from tests.core.moves.scenes import CENTRE, go, make_choice, propose
from tests.invariance.exact_draws import METRICS
from tests.invariance.jumping import NAMES, make_modes
from tests.loops import draw
from tests.targets import TARGETS

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
    partners = JUMPS[name].partners > 0
    assert any(looked_at) <= partners
    # Two of two particles are no pair of scouts.
    assert all(looked_at) == partners or group_size == 2


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
        own = type(draws)(*(None if part is None else part[mine] for part in draws))
        alone = propose(name, position[mine], own, group_size)
        np.testing.assert_allclose(together[mine], alone, rtol=1e-13, atol=1e-15)
        first += size


# What cannot be kept.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("bad", ["energy", "gradient"])
@pytest.mark.parametrize("name", JUMPS)
def test_a_non_finite_proposal_is_rejected_and_diverges_but_at_a_wall(name, bad, value, rng):
    position, draws = rng.standard_normal((7, 3)), draw(rng, 7, 3)
    draws = draws._replace(accept=np.zeros(7))
    state = State(position, (position**2).sum(axis=1) / 2, position)
    for particle in range(7):

        def spoilt(q, particle=particle):
            energy, gradient = 1e-3 * (q**2).sum(axis=1), q.copy()
            (energy if bad == "energy" else gradient[:, 1])[particle] = value
            return energy, gradient

        moved, info = go(state, draws, make_choice(name, 7), 4, spoilt)
        out = np.arange(7) == particle
        np.testing.assert_array_equal(info.accepted, ~out)
        is_wall = bad == "energy" and value == np.inf
        np.testing.assert_array_equal(info.diverging, out & (not is_wall))
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
    choice = make_choice(name, 6, centre=np.full(3, 1e308))
    draws = draws._replace(noise=draws.noise * 1e307, accept=np.zeros(6))
    moved, info = go(state, draws, choice, 3, lambda q: (0 * q[:, 0], 0 * q))
    for new in (*moved, info.accept_prob, info.squared_jump, info.principal_jump):
        assert np.isfinite(new).all()


@pytest.mark.parametrize("name", JUMPS)
def test_far_apart_energies_leave_a_mean(name, rng):
    # exp(-U) by itself would be 0 or infinite.
    position, draws = rng.standard_normal((8, 3)), draw(rng, 8, 3)
    for energy in (np.full(8, 1e5), np.full(8, -1e5), np.linspace(-1e5, 1e5, 8)):
        state = State(position, energy, 0 * position)
        moved, info = go(state, draws, make_choice(name, 8), 4, lambda q: (0 * q[:, 0], 0 * q))
        assert np.isfinite(moved.position).all()
        assert np.isfinite(info.accept_prob).all()


# Other libraries and precisions.

MODES = make_modes(CENTRE, METRICS["dense"])


def jump_on(arrays, name, iteration, control):
    """A jump, tuned, made and recorded, on the arrays of any library."""
    position = arrays["position"]
    groups = make_groups(7, 4, like=position)
    target = Plain(TARGETS["skewed"].potential_and_gradient)
    metric = make_metric(arrays["dense"])
    fitted = FittedGaussian(arrays["about"], metric, arrays["about"] / 3, arrays["two"])
    mixture = Mixture(*(arrays[f] for f in Mixture._fields))
    homes = make_homes(mixture, arrays["means"], arrays["dense"], mixture.log_weight < 0)
    # The middle of what stands for the jump.
    uniform = position[:, 0] * 0 + (NAMES.index(name) + 0.5) / len(NAMES)
    choice = choose_jumps(
        NAMES, arrays["kinds"], arrays["jumps"], fitted, iteration, uniform, homes
    )
    draws = Draws(*(arrays.get(field) for field in Draws._fields))
    one = arrays["two"] / 2
    tuning = Tuning(one, one, None, metric, direction=fitted.direction)
    tuning = tuning._replace(jump=choice._replace(happens=choice.happens * 0 + 1))
    coupling = COUPLINGS["alternate"]
    moved, info = iterate(
        state_at(target, position), draws, tuning, groups, coupling, target, control, names=NAMES
    )
    shares = move_shares.start(arrays["two"], 1, len(NAMES))
    kept = move_shares.record(
        shares,
        tuning.jump,
        info.squared_jump,
        info.principal_jump,
        info.accept_prob,
        fitted.variance,
        info.num_steps,
        3,
    )
    kept = move_shares.reweigh(kept, on_trial=True, trajectory_floor=0.5)
    return (*moved, *info, *choice[:5], *kept)


@pytest.fixture
def arrays(rng):
    return {
        "position": TARGETS["skewed"].sample(rng, 7),
        "about": CENTRE,
        "dense": METRICS["dense"],
        "two": np.array(2.0),
        **MODES.mixture._asdict(),
        "means": MODES.means,
        "kinds": np.array([0.4]),
        "jumps": np.full(len(NAMES), 0.6 / len(NAMES)),
        **{key: value for key, value in draw(rng, 7, 3)._asdict().items() if value is not None},
    }


ITERATIONS = (5, 6, 123_456)


def assert_agree(outputs, expected):
    for got, wanted in zip(outputs, expected, strict=True):
        assert type(got) is not type(wanted)
        np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", JUMPS)
def test_jax_gives_what_numpy_gives(name, arrays):
    jax = importorskip("jax")
    importorskip("numpyro")
    from fhl_ppl.numpyro.control import JAX

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        given_arrays = {key: jax.numpy.asarray(value) for key, value in arrays.items()}
        jitted = jax.jit(partial(jump_on, control=JAX), static_argnums=1)
        for k in ITERATIONS:
            outputs = jitted(given_arrays, name, jax.numpy.asarray(k))
            assert_agree(outputs, jump_on(arrays, name, np.asarray(k), PYTHON))
    finally:
        jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("name", JUMPS)
def test_torch_gives_what_numpy_gives(name, arrays):
    torch = importorskip("torch")
    given_arrays = {key: torch.from_numpy(np.asarray(value)) for key, value in arrays.items()}
    for k in ITERATIONS:
        assert_agree(
            jump_on(given_arrays, name, k, PYTHON), jump_on(arrays, name, np.asarray(k), PYTHON)
        )


@pytest.mark.parametrize("name", JUMPS)
def test_single_precision_stays_single(name, arrays):
    arrays = {key: value.astype(np.float32) for key, value in arrays.items()}
    for output in jump_on(arrays, name, 5, PYTHON):
        assert not np.issubdtype(np.asarray(output).dtype, np.floating) or (
            np.asarray(output).dtype == np.float32
        )


@pytest.mark.parametrize(("group_size", "missing"), [(2, {"difference", "leap"}), (3, set())])
def test_what_looks_at_two_others_is_not_on_offer_in_pairs(group_size, missing):
    assert set(JUMPS) - set(Options(group_size=group_size).plan(1000, 5).jumps) == missing
