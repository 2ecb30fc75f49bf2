"""What the golden file holds: core at work, as functions of arrays of any library.

A scenario takes the inputs by name, and a loop, and returns named outputs. Between them the
scenarios call everything public in core, see `called_in_core`.
"""

import importlib
import inspect
import math
import pkgutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
from array_api_compat import array_namespace

import fhl_ppl.core
from fhl_ppl.core.adaptation import low_rank, warmup, welford
from fhl_ppl.core.adaptation import metric as estimates
from fhl_ppl.core.adaptation import tuning as tuning_rules
from fhl_ppl.core.adaptation.plan import Plan
from fhl_ppl.core.adaptation.settled import settled
from fhl_ppl.core.adaptation.trajectory import Kind
from fhl_ppl.core.adaptation.windows import window_ends
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.leader import elastic_displacement, find_leader, pull_rate
from fhl_ppl.core.leapfrog import PhasePoint, elastic_leapfrog
from fhl_ppl.core.low_rank import LowRankMetric
from fhl_ppl.core.metric import make_metric, reported
from fhl_ppl.core.random_force import RandomForce
from fhl_ppl.core.splitting import LEAPFROG, TWO_STAGE
from fhl_ppl.core.state import Draws, State
from fhl_ppl.core.transition import Tuning, iterate, transition
from tests.targets import TARGETS

FILE = Path(__file__).with_name("golden.npz")

TOLERANCE = 1e-10
"""Relative to the size of the numbers, for all libraries."""

NUM_WARMUP = 50
PARTICLES, GROUP_SIZE = 7, 4
TARGET = TARGETS["skewed"]


def make_inputs():
    """All inputs, in NumPy: drawn once, with a fixed seed, and stored beside the outputs."""
    rng = np.random.default_rng(20240521)
    energy = rng.normal(size=(4, PARTICLES))
    energy[1, [0, 3]] = np.nan, -np.inf
    energy[2] = np.inf
    energy[3, [1, 2, 5]] = energy[3, [0, 4, 4]]
    root = rng.normal(size=(3, 3))
    inputs = {
        "energy": energy,
        "candidate": rng.random((4, PARTICLES)) < 0.6,
        "position": TARGET.sample(rng, PARTICLES),
        "momentum": rng.normal(size=(PARTICLES, 3)),
        "diag": np.array([0.5, 1.0, 1.6]),
        "dense": root @ root.T / 3 + np.eye(3) / 2,
        "step_size": np.array(0.3),
        "num_steps": np.array(5.0),
        "strength": np.array(1.5),
    }
    draws = (NUM_WARMUP, PARTICLES)
    inputs["noise"] = rng.normal(size=(*draws, 3))
    for name in ("role", "accept", "choice"):
        inputs[name] = rng.random(draws)
    inputs["directions"] = np.linalg.qr(rng.normal(size=(3, 2)))[0]
    inputs["variance"] = np.array([2.5, 0.4])
    return inputs


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
    state = State(inputs["position"], *TARGET.potential_and_gradient(inputs["position"]))
    roles = COUPLINGS[coupling].roles(groups, state, _draws(inputs, 0))

    def pull(position, energy):
        strength = inputs["strength"]
        return COUPLINGS[coupling].pull(groups, roles, strength, position, energy)

    end = elastic_leapfrog(
        PhasePoint(state.position, inputs["momentum"], *state[1:]),
        inputs["step_size"],
        inputs["num_steps"],
        _metric(inputs, metric),
        TARGET.potential_and_gradient,
        pull,
        control.fori_loop,
    )
    return end._asdict()


def random_force(inputs):
    """Energies and forces off by a wave, which is another in every evaluation."""

    def draw(position, number, energy):
        energy, gradient = TARGET.potential_and_gradient(position)
        wave = array_namespace(position).sin(inputs["noise"][0, :, :] + number)
        return energy + wave[:, 0], gradient + wave

    return RandomForce(draw, lambda position: TARGET.potential_and_gradient(position)[0])


def one_transition(coupling, metric, adjusted, inputs, control, pulled=True, noisy=False):
    """One iteration, with acceptances and rejections."""
    evaluate = random_force(inputs) if noisy else TARGET.potential_and_gradient
    position = inputs["position"]
    tuning = Tuning(
        inputs["step_size"],
        inputs["num_steps"],
        inputs["strength"] if pulled else None,
        _metric(inputs, metric),
    )
    state, info = transition(
        State(position, *evaluate(position)),
        _draws(inputs, 0),
        tuning,
        make_groups(PARTICLES, GROUP_SIZE, like=position),
        COUPLINGS[coupling],
        evaluate,
        control.fori_loop,
        adjusted,
    )
    return {**state._asdict(), **info._asdict()}


class WarmUp:
    """A warm-up from exact draws, iteration by iteration; all that is learnt is in one vector.

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
        jumps=False,
        is_low_rank=False,
        kinds=(),
    ):
        self.coupling, self.metric, self.is_low_rank = COUPLINGS[coupling], metric, is_low_rank
        self.estimate, self.adapt_step_size = estimate, adapt_step_size
        self.splits, self.jumps, self.kinds = splits, jumps, kinds

    @property
    def plan(self):
        return Plan(
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
            trusts_gradient=self.jumps and not self.kinds,
            kinds=self.kinds,
        )

    def start(self, inputs):
        """State and adaptation before the first iteration, as a vector."""
        return _pack(self._begin(inputs))

    def iterate(self, inputs, iteration, vector, control):
        """One iteration, from vector to vector."""
        state, adaptation = _unpack(vector, self._begin(inputs))
        groups = make_groups(PARTICLES, GROUP_SIZE, like=state.position)
        draws = _draws(inputs, iteration)
        # A number in the library at hand, as the adapters have it.
        number = inputs["step_size"] * 0 + iteration
        tuning = tuning_rules.tune(self.plan, adaptation, groups, number, draws)
        state, info = iterate(
            state,
            draws,
            tuning,
            groups,
            self.coupling,
            TARGET.potential_and_gradient,
            control,
        )
        adaptation = warmup.update(
            self.plan, adaptation, groups, number, draws, state, info, control
        )
        return _pack((state, adaptation))

    def __call__(self, inputs, control):
        """All iterations; of interest is where they end."""
        end = control.fori_loop(
            0,
            NUM_WARMUP,
            lambda iteration, vector: self.iterate(inputs, iteration, vector, control),
            self.start(inputs),
        )
        state, adaptation = _unpack(end, self._begin(inputs))
        return {
            **state._asdict(),
            **adaptation.metric._asdict(),
            "inverse_mass_matrix": reported(adaptation.metric),
            "weight": adaptation.mixture.weight,
            "jump": adaptation.mixture.jump,
            "covariance": welford.covariance(adaptation.positions),
            "direction": adaptation.scale.direction,
            **settled(self.plan, adaptation)._asdict(),
        }

    def _begin(self, inputs):
        state = State(inputs["position"], *TARGET.potential_and_gradient(inputs["position"]))
        step_size, inverse = inputs["step_size"], inputs[self.metric]
        return state, warmup.start(self.plan, state, step_size, inverse)


KINDS = (Kind(1, 0.4), Kind(2, 0.6), Kind(8, 0.4, min_num_steps=2))
SCENARIOS = {
    "leader": leader,
    "transition without pull": partial(one_transition, "joint", "dense", True, pulled=False),
    "warm-up alternate": WarmUp("alternate", estimates.from_scores, "dense", False),
    "warm-up joint": WarmUp("joint", estimates.from_positions, "diag", False),
}
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
    "alternate scores": WarmUp("alternate", estimates.from_scores, "dense", True, True, True),
    "joint scores": WarmUp("joint", estimates.from_scores, "diag", True, True, True),
    "joint positions": WarmUp(
        "joint", estimates.from_positions, "dense", True, jumps=True, kinds=KINDS
    ),
    "alternate low rank": WarmUp(
        "alternate", low_rank.from_scores, "diag", True, True, True, is_low_rank=True
    ),
}
"""Fully adapted warm-ups, of which every iteration is stored under "path"."""


def load(scenario):
    """Inputs, by name, and the stored outputs of a scenario."""
    with np.load(FILE) as stored:
        inputs, outputs = {}, {}
        for key in stored:
            kind, _, name = key.partition("/")
            if kind == "inputs":
                inputs[name] = stored[key]
            elif kind == scenario:
                outputs[name] = stored[key]
    return inputs, outputs


def assert_golden(outputs, expected):
    """Compare outputs, given as NumPy arrays, with what is stored."""
    assert set(outputs) == set(expected)
    for name, want in expected.items():
        have = outputs[name]
        assert have.shape == want.shape, name
        assert have.dtype.kind == want.dtype.kind, name
        np.testing.assert_allclose(have, want, rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)


def assert_golden_path(scenario, start, iterate, iterations=range(NUM_WARMUP)):
    """Compare every iteration, from the stored end of the one before.

    `start()` and `iterate(iteration, vector)` take and give NumPy arrays.
    """
    path = load(scenario)[1]["path"]
    np.testing.assert_allclose(start(), path[0], rtol=TOLERANCE, atol=TOLERANCE)
    for k in iterations:
        np.testing.assert_allclose(
            iterate(k, path[k]),
            path[k + 1],
            rtol=TOLERANCE,
            atol=TOLERANCE,
            err_msg=f"iteration {k}",
        )


def called_in_core(run):
    """Public functions and methods of core that `run()` calls, and all that there are."""
    called = set()

    def note(frame, event, argument):
        if event == "call":
            called.add(frame.f_code)

    previous = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(previous)
    public = dict(_public_in_core())
    return {name for name, code in public.items() if code in called}, set(public)


def _public_in_core():
    for module in pkgutil.walk_packages(fhl_ppl.core.__path__, "fhl_ppl.core."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if getattr(value, "__module__", None) != module.name or name.startswith("_"):
                continue
            if inspect.isfunction(value):
                yield f"{module.name}.{name}", value.__code__
            elif inspect.isclass(value):
                for method, function in vars(value).items():
                    if inspect.isfunction(function) and not method.startswith("_"):
                        yield f"{module.name}.{name}.{method}", function.__code__


def _metric(inputs, form):
    if form == "low rank":
        return LowRankMetric(inputs["diag"], inputs["directions"], inputs["variance"])
    return make_metric(inputs[form])


def _draws(inputs, iteration):
    return Draws(
        inputs["noise"][iteration, :, :],
        inputs["role"][iteration, :],
        inputs["accept"][iteration, :],
        inputs["choice"][iteration, :],
    )


def _pack(tree):
    leaves = _leaves(tree)
    xp = array_namespace(*leaves)
    return xp.concat([xp.reshape(leaf, (-1,)) for leaf in leaves])


def _unpack(vector, like):
    """Undo `_pack` into the shapes of `like`."""
    xp = array_namespace(vector)
    if hasattr(like, "shape"):
        return xp.reshape(vector, like.shape)
    parts, end = [], 0
    for part in like:
        size = sum(math.prod(leaf.shape) for leaf in _leaves(part))
        parts.append(_unpack(vector[end : end + size], part))
        end += size
    return like._make(parts) if hasattr(like, "_make") else tuple(parts)


def _leaves(tree):
    return [tree] if hasattr(tree, "shape") else [leaf for part in tree for leaf in _leaves(part)]
