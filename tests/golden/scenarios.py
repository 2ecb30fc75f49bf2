"""What the golden files hold: core at work, as functions of arrays of any library.

A scenario takes the inputs by name, and loops and branches, and returns named outputs. Between them
the scenarios call everything public in core, see `coverage`.
"""

from functools import partial

from array_api_compat import array_namespace

from fhl_ppl.core import warmup
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.homes import make_homes
from fhl_ppl.core.iteration import Tuning, iterate
from fhl_ppl.core.leader import elastic_displacement, find_leader, pull_rate
from fhl_ppl.core.learners.windows import window_ends
from fhl_ppl.core.metrics import dense_fit as estimates
from fhl_ppl.core.metrics import low_rank_fit as low_rank
from fhl_ppl.core.metrics import reported
from fhl_ppl.core.metrics.dense import make_metric
from fhl_ppl.core.metrics.low_rank import LowRankMetric
from fhl_ppl.core.mixture import Mixture
from fhl_ppl.core.moments import welford
from fhl_ppl.core.moves import JUMPS, UNIFORMS
from fhl_ppl.core.moves.choice import choose_jumps
from fhl_ppl.core.moves.move import FittedGaussian
from fhl_ppl.core.plan import Kind, Plan
from fhl_ppl.core.report import report
from fhl_ppl.core.sampler import make_sampler, step
from fhl_ppl.core.state import Draws
from fhl_ppl.core.statistics import read
from fhl_ppl.core.target import Plain, RandomForce, state_at
from fhl_ppl.core.trajectory.leapfrog import PhasePoint, elastic_leapfrog
from fhl_ppl.core.trajectory.splitting import LEAPFROG, TWO_STAGE
from tests.targets import TARGETS

NUM_WARMUP = 50
PARTICLES, GROUP_SIZE = 7, 4
TARGET = TARGETS["skewed"]
PLAIN = Plain(TARGET.potential_and_gradient)


def leader(inputs, control):
    """Leader and pull at four sets of energies: plain, non-finite, hopeless and tied."""
    groups = make_groups(PARTICLES, GROUP_SIZE, like=inputs["position"])
    outputs = {}
    for k in range(4):
        found = find_leader(
            groups, inputs["position"], inputs["energy"][k, :], inputs["candidate"][k, :]
        )
        rate = pull_rate(inputs["strength"], inputs["energy"][k, :], found)
        outputs |= {f"{k} {name}": field for name, field in found._asdict().items()}
        outputs |= {
            f"{k} rate": rate,
            f"{k} displacement": elastic_displacement(rate, inputs["position"], found),
        }
    return outputs


def leapfrog(coupling, metric, inputs, control):
    """Five elastic leapfrog steps."""
    groups = make_groups(PARTICLES, GROUP_SIZE, like=inputs["position"])
    state = state_at(PLAIN, inputs["position"])
    roles = COUPLINGS[coupling].roles(groups, state, _draws(inputs, 0))

    def pull(position, energy):
        strength = inputs["strength"]
        return COUPLINGS[coupling].pull(groups, roles, strength, position, energy)

    end = elastic_leapfrog(
        PhasePoint(state.position, inputs["momentum"], *state[1:]),
        inputs["step_size"],
        inputs["num_steps"],
        _metric(inputs, metric),
        PLAIN,
        pull,
        control,
    )
    return end._asdict()


def random_force(inputs):
    """Energies and forces off by a wave, which is another in every evaluation."""

    def draw(position, number, known, is_start):
        energy, gradient = TARGET.potential_and_gradient(position)
        wave = array_namespace(position).sin(inputs["noise"][0, :, :] + number)
        return energy + wave[:, 0], gradient + wave

    return RandomForce(draw, lambda position: TARGET.potential_and_gradient(position)[0])


def one_transition(coupling, metric, adjusted, inputs, control, pulled=True, noisy=False):
    """One iteration, with acceptances and rejections."""
    target = random_force(inputs) if noisy else PLAIN
    position = inputs["position"]
    tuning = Tuning(
        inputs["step_size"],
        inputs["num_steps"],
        inputs["strength"] if pulled else None,
        _metric(inputs, metric),
    )
    state, info = iterate(
        state_at(target, position),
        _draws(inputs, 0),
        tuning,
        make_groups(PARTICLES, GROUP_SIZE, like=position),
        COUPLINGS[coupling],
        target,
        control,
        adjusted,
    )
    return {**read(state, info, tuning), **state._asdict(), **info._asdict()}


def _two_modes(xp, position, metric):
    """Gaussians about two of the particles, the second twice as wide."""
    inverse = xp.stack([metric.whitener, metric.whitener / 2])
    root = xp.linalg.inv(inverse)
    volume = xp.log(xp.linalg.det(root))
    weight = xp.log(xp.stack([0 * position[0, 0] + 0.6, 0 * position[0, 0] + 0.4]))
    centre = position[:2, :]
    mixture = Mixture(weight, centre, root, inverse, volume)
    within = root[0, :, :] @ xp.matrix_transpose(root[0, :, :])
    return make_homes(mixture, xp.stack([centre, 0 * centre]), within, volume > -xp.inf)


def one_jump(name, inputs, control):
    """One iteration in which followers make the jump, or rotate."""
    names = (name,) if name == "rotation" else (name, "rotation")
    position, one = inputs["position"], inputs["step_size"] * 0 + 1
    xp, draws = array_namespace(position), _draws(inputs, 1)
    metric = make_metric(inputs["dense"])
    fitted = FittedGaussian(
        xp.mean(position, axis=0), metric, inputs["directions"][:, 0], inputs["variance"][0]
    )
    shares = xp.stack([0.75 * one, 0.25 * one][: len(names)])
    # No trajectories, so that the iteration is one of jumps.
    choice = choose_jumps(
        names,
        xp.stack([0 * one]),
        shares,
        fitted,
        5 * one,
        draws.strength,
        _two_modes(xp, position, metric),
    )
    count = max(1, JUMPS[name].uniforms)
    extra = xp.stack([inputs["accept"][2 + k, :] for k in range(count)], axis=1)
    state, info = iterate(
        state_at(PLAIN, position),
        draws._replace(extra=extra),
        Tuning(one, one, None, metric, direction=fitted.direction, jump=choice),
        make_groups(PARTICLES, GROUP_SIZE, like=position),
        COUPLINGS["alternate"],
        PLAIN,
        control,
        names=names,
    )
    return {**state._asdict(), **info._asdict()}


class WarmUp:
    """A warm-up from exact draws, iteration by iteration.

    With `adapt_step_size` each iteration is checked from the stored end of the one before:
    dual averaging turns a difference in the acceptance into one in log(step size) that is up to
    3 times larger, and so on, until after 50 iterations rounding errors have grown to 1e-8. At a
    given step size they die out.
    """

    def __init__(
        self,
        coupling,
        estimate,
        metric,
        adapt_step_size,
        splits=False,
        jumps=(),
        is_low_rank=False,
        kinds=(),
    ):
        self.coupling, self.metric, self.is_low_rank = coupling, metric, is_low_rank
        self.estimate, self.adapt_step_size = estimate, adapt_step_size
        self.splits, self.jumps, self.kinds = splits, jumps, kinds

    @property
    def sampler(self):
        plan = Plan(
            num_warmup=NUM_WARMUP,
            window_ends=window_ends(NUM_WARMUP),
            target_accept_prob=0.8,
            adapt_step_size=self.adapt_step_size,
            estimate_metric=self.estimate,
            dense=self.metric == "dense",
            trajectory_length=None,
            num_steps=None,
            max_num_steps=16,
            pulling_strength=None,
            estimate_centre=estimates.centre_from_scores if self.splits else None,
            low_rank=self.is_low_rank,
            splitting=TWO_STAGE if self.is_low_rank else LEAPFROG,
            jumps=self.jumps,
            trusts_gradient=bool(self.jumps) and not self.kinds,
            kinds=self.kinds,
        )
        return make_sampler(plan, self.coupling)

    def start(self, inputs):
        """State and what is learnt before the first iteration, as arrays by name."""
        return by_name(self._begin(inputs))

    def iterate(self, inputs, iteration, arrays, control):
        """One iteration, from arrays to arrays."""
        known = from_names(arrays, self._begin(inputs))
        return by_name(self._iterate(inputs, iteration, known, control))

    def _iterate(self, inputs, iteration, known, control):
        state, learnt, _, _ = step(
            self.sampler,
            make_groups(PARTICLES, GROUP_SIZE, like=inputs["position"]),
            known["state"],
            known["learnt"],
            # A number in the library at hand, as the adapters have it.
            inputs["step_size"] * 0 + iteration,
            _draws(inputs, iteration),
            PLAIN,
            control,
        )
        return {"state": state, "learnt": learnt}

    def __call__(self, inputs, control):
        """All iterations; of interest is where they end."""
        end = control.fori_loop(
            0,
            NUM_WARMUP,
            lambda iteration, known: self._iterate(inputs, iteration, known, control),
            self._begin(inputs),
        )
        state, learnt = end["state"], end["learnt"]
        return {
            **state._asdict(),
            **learnt["metric"]._asdict(),
            "inverse_mass_matrix": reported(learnt["metric"]),
            "weight": learnt["pull"].weight,
            "jump": learnt["pull"].jump,
            "covariance": welford.covariance(learnt["moments"].positions),
            "direction": learnt["trajectory_length"].direction,
            **report(self.sampler, learnt)._asdict(),
        }

    def _begin(self, inputs):
        state = state_at(PLAIN, inputs["position"])
        learnt = warmup.start(self.sampler, state, inputs["step_size"], inputs[self.metric])
        return {"state": state, "learnt": learnt}


OF_WARM_UP = ("renewal", "rotation", "approach", "mean rotation", "difference", "leap")
"""Jumps on offer in warm-ups; other moves have a file of their own, and leave these as they are."""
KINDS = (Kind(1, 0.4), Kind(2, 0.6), Kind(8, 0.4, min_num_steps=2))
SCENARIOS = {
    "leader": leader,
    "transition without pull": partial(one_transition, "joint", "dense", True, pulled=False),
    "warm-up alternate": WarmUp("alternate", estimates.from_scores, "dense", False),
    "warm-up joint": WarmUp("joint", estimates.from_positions, "diag", False),
    "warm-up modes": WarmUp("alternate", estimates.from_scores, "dense", False, True, tuple(JUMPS)),
}
for _name in JUMPS:
    SCENARIOS[f"jump {_name}"] = partial(one_jump, _name)
for _coupling in COUPLINGS:
    SCENARIOS[f"transition {_coupling} random force"] = partial(
        one_transition, _coupling, "dense", True, noisy=True
    )
    for _form in ("diag", "dense", "low rank"):
        SCENARIOS[f"leapfrog {_coupling} {_form}"] = partial(leapfrog, _coupling, _form)
        for _adjusted in (True, False):
            _name = f"transition {_coupling} {_form} {'' if _adjusted else 'un'}adjusted"
            SCENARIOS[_name] = partial(one_transition, _coupling, _form, _adjusted)

STEPWISE = {
    "alternate scores": WarmUp("alternate", estimates.from_scores, "dense", True, True, OF_WARM_UP),
    "joint scores": WarmUp("joint", estimates.from_scores, "diag", True, True, OF_WARM_UP),
    "joint positions": WarmUp(
        "joint", estimates.from_positions, "dense", True, jumps=OF_WARM_UP, kinds=KINDS
    ),
    "alternate low rank": WarmUp(
        "alternate", low_rank.from_scores, "diag", True, True, OF_WARM_UP, is_low_rank=True
    ),
}
"""Fully adapted warm-ups, of which every iteration is stored."""


def _metric(inputs, form):
    if form == "low rank":
        return LowRankMetric(inputs["diag"], inputs["directions"], inputs["variance"])
    return make_metric(inputs[form])


def _draws(inputs, iteration):
    # For what a jump asks for besides, any uniform numbers are as good.
    extra = array_namespace(inputs["role"]).stack([inputs["role"][iteration - 1, :]] * UNIFORMS)
    return Draws(
        inputs["noise"][iteration, :, :],
        inputs["role"][iteration, :],
        inputs["accept"][iteration, :],
        inputs["choice"][iteration, :],
        array_namespace(extra).matrix_transpose(extra),
    )


def by_name(tree, prefix=""):
    """Arrays of nested named tuples and dicts: "field.field"."""
    if hasattr(tree, "shape"):
        return {prefix: tree}
    parts = tree._asdict() if hasattr(tree, "_asdict") else tree
    found = {}
    for name, part in parts.items():
        found |= by_name(part, f"{prefix}.{name}" if prefix else name)
    return found


def from_names(arrays, like, prefix=""):
    """Undo `by_name` into the form of `like`."""
    if hasattr(like, "shape"):
        return arrays[prefix]
    parts = like._asdict() if hasattr(like, "_asdict") else like
    made = {
        name: from_names(arrays, part, f"{prefix}.{name}" if prefix else name)
        for name, part in parts.items()
    }
    return type(like)(**made)
