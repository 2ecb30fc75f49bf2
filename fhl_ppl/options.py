"""The settings that both adapters share: what is allowed, and the plan they amount to."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fhl_ppl.arguments import (
    LOW_RANK,
    argument,
    arguments_of,
    blocks,
    one_of,
    real,
    truth,
    truth_or_number,
    whole,
)
from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.learners.move_shares import JUMP_FLOOR, TRAJECTORY_FLOOR
from fhl_ppl.core.learners.unseen_steps import SHORT
from fhl_ppl.core.learners.unseen_steps import TRAJECTORY_FLOOR as TRAJECTORY_FLOOR_SHORT
from fhl_ppl.core.learners.windows import window_ends
from fhl_ppl.core.metrics import dense_fit, low_rank_fit
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.plan import Kind, Plan
from fhl_ppl.core.search.bounds import Bounds, bounds_of
from fhl_ppl.core.trajectory.splitting import LEAPFROG, TWO_STAGE

INTEGRATORS = ("split", "leapfrog")
DENSE_LIMIT = 256
"""Dimension up to which `dense_mass=None` means a dense metric; beyond, its products cost much."""

CHARTS_FROM = 2
"""Dimension from which on charts are looked for: what drives, and what is driven."""
SEARCH_LIMIT = 128
"""Dimension up to which there is a search before warm-up, whose descents have a matrix each."""
MOST_PLACES = 10_000
"""For a search to descend from: of each there are matrices, all at once in memory."""
CHARTS_LIMIT = 128
"""Dimension up to which charts are looked for: where none was found in 82 dimensions, fits took
12 s of CPU in a run of 1000 + 1000."""

MAX_NUM_STEPS = 1024
"""Default cap on L, as NUTS's tree of depth 10."""
TARGET_ACCEPT_PROB = 0.9
"""Default acceptance to aim at. Split steps are long where the posterior is near its Gaussian, and
too long for a narrow end elsewhere: with 0.85 one run of six of brownian_unknown_scales ended with
an R-hat of 1.4, with 0.9 none."""
MAX_NUM_STEPS_UNTRUSTED = SHORT.max_num_steps
"""The same with a `gradient_fn`."""
MAX_NUM_STEPS_NOISY = 32
"""The same where the gradient is noisy: over a long trajectory noise averages out."""
JUMP_FLOOR_UNTRUSTED = 0.05
"""The same for each of the jumps: with no gradient to find the way, a variety of them does."""
TARGET_ACCEPT_PROB_UNTRUSTED = SHORT.target_accept_prob
"""The same with a `gradient_fn`: between what suits a true gradient and a random walk."""
TARGET_ACCEPT_PROB_WALK = 0.3
"""The same for single steps with a `gradient_fn`, which are a random walk in the worst case, and
for long noisy trajectories: the energy error of either grows as the square of the step."""


@dataclass(frozen=True)
class Options:
    """The constructor arguments of `FHL` that do not depend on the backend, checked.

    Each field is an argument with all that is to be said of it: the default, what is allowed, and
    the text that the docstrings of both kernels have.

    Raises
    ------
    ValueError
        If a value is out of range or two contradict each other; the message names the argument,
        the value and the remedy.
    TypeError
        If a value is of the wrong type.

    Examples
    --------
    >>> Options(group_size=0)
    Traceback (most recent call last):
        ...
    ValueError: group_size must be at least 1 (1 is plain HMC), got 0.
    """

    group_size: int = argument(
        4,
        whole("at least 1 (1 is plain HMC)"),
        "Particles in a group; the paper uses 4. 1 is plain HMC, and LMC (MALA) with "
        "`num_steps=1`.",
    )
    coupling: str = argument(
        "alternate",
        one_of(COUPLINGS),
        '"alternate": every iteration a random half of the group rests as candidates for leader '
        "while the others follow, and each particle has its own Metropolis test. "
        '"joint": the paper\'s Algorithm 2, in which the group moves and is accepted as one; its '
        "acceptance falls with the size of the group.",
    )
    adjusted: bool = argument(
        True,
        truth,
        "Whether to apply the Metropolis test. False is biased (it collapses below the typical "
        "set), warns, and serves to find high-density regions only.",
    )
    pulling_strength: float | None = argument(
        None,
        real(lambda x: x >= 0, "0 (no pull) or more, or None to choose it in warm-up"),
        "lambda >= 0 of the elastic force, in units of 1 / time^2 of the whitened space. Default: "
        "drawn in every iteration from a mixture that contains 0, with weights learnt in warm-up "
        "from the squared jump per gradient.",
    )
    step_size: float = argument(
        1.0,
        real(lambda x: x > 0, "positive"),
        "Initial leapfrog step eta, in the whitened space.",
    )
    adapt_step_size: bool = argument(
        True,
        truth,
        "Whether to adapt it by dual averaging, on the harmonic mean of a group's acceptance.",
    )
    target_accept_prob: float | None = argument(
        None,
        real(lambda x: 0 < x < 1, "in (0, 1), or None for the default"),
        "Acceptance to aim at. Default: 0.9. With a `gradient_fn` 0.6, and 0.3 for single steps "
        "and long noisy trajectories, which warm-up chooses among.",
    )
    trajectory_length: float | None = argument(
        None,
        real(lambda x: x > 0, "positive, or None to choose it in warm-up"),
        "T = eta L. Default: learnt in warm-up from the widest direction of the whitened space, "
        "and jittered.",
    )
    num_steps: int | None = argument(
        None,
        whole("at least 1, or None to choose it in warm-up"),
        "L, instead of `trajectory_length`.",
    )
    max_num_steps: int | None = argument(
        None,
        whole("at least 1, or None for the default"),
        "Cap on L where it is not given. Default: 1024, and 4 with a `gradient_fn`, as the energy "
        "error of a wrong force grows with the length of the trajectory; 32 if it is noisy.",
    )
    adapt_mass_matrix: bool = argument(
        True,
        truth,
        "Whether to learn the metric: from positions and gradients, or with `gradient_fn` from "
        "positions.",
    )
    integrator: str = argument(
        "split",
        one_of(INTEGRATORS),
        '"split": steps that are exact in the Gaussian which warm-up fits to the posterior, so '
        "that near it one goes as far as several leapfrog steps; with a metric of low rank in "
        "pairs of two stages, so that L is even or 1, but for a given `num_steps`, which may be "
        'odd. "leapfrog": the paper\'s. With `adapt_mass_matrix=False` or a `gradient_fn` nothing '
        "is fitted, and both are the same.",
    )
    jumps: bool = argument(
        True,
        truth,
        "Whether to mix jumps with the trajectories, in shares that warm-up learns: fresh draws "
        "from the Gaussian fitted to the pooled positions, approaches to the leader, differences "
        "of scouts. They cost one energy each, need no gradient and reach other modes. There are "
        "none with `adapt_mass_matrix=False`, `group_size=1` or `adjusted=False`.",
    )
    charts: bool = argument(
        True,
        truth,
        "Whether warm-up looks for coordinates in which the posterior is nearer to a Gaussian, for "
        "funnels, centred hierarchies and heavy tails. The model's own are kept unless held-out "
        "draws speak clearly for others, and then the draws are what they are without charts; in "
        "others the draws still come in the model's own, the metric and the total energy are those "
        "of the coordinates found. There are no charts with a `gradient_fn`, a minibatch, "
        "`adapt_mass_matrix=False`, no warm-up, one dimension or more than 128, a metric "
        "that is not one dense matrix, and in blocks of Gibbs.",
    )
    search: bool | int = argument(
        True,
        truth_or_number("the number of places to descend from", MOST_PLACES),
        "Whether to look around before warm-up: descents from the particles' starts, and from "
        "more if these are fewer than 8, end in minima; where the target is about a Gaussian "
        "there, particles start at draws of such Gaussians. With several minima only those do "
        "that came to one which weighs nothing beside them, and one for each that no particle came "
        "to, and some 40 to 120 places are descended from. It costs a fifth of a gradient for each "
        "particle and iteration of the warm-up (if that is short three tenths), and two fifths "
        "with several minima, which `n_steps` of the first iteration counts. An integer, such as "
        "500, is from how many places to descend instead, whatever it costs: a mode that one place "
        "in a hundred leads to is then missed by one search in 150. "
        "Only where the particles of a model start by `init_to_uniform`, the default, whose radius "
        "it keeps to, and not with a `gradient_fn`, a minibatch, more than 64 "
        "particles (of each other they see enough), more than 128 dimensions, a short warm-up, or "
        "in blocks of Gibbs.",
    )
    dense_mass: bool | str | Sequence[tuple[str, ...]] | None = argument(
        None,
        blocks,
        "True, False, or the sites that form dense blocks, as in NUTS; or "
        '"low_rank": scales and up to 16 directions across them, at a cost that grows with the '
        "dimension and not with its square. Default: dense up to 256 dimensions, of low rank "
        "above. With `adapt_mass_matrix=False` low rank is diagonal.",
        kind='bool, "low_rank" or list of tuples of str',
    )
    temperatures: int | None = argument(
        None,
        whole("at least 2, or None for none", least=2),
        "How many temperatures to sample at, to find modes in which no chain started and to weigh "
        "them. Every chain then has a private replica at each, from the posterior (1) to a "
        "reference (0, the prior of a model), and neighbours swap. Warm-up sets the temperatures "
        "between. It costs that many times the gradients, and one more of each replica an "
        "iteration; `n_steps` counts them all. `search` is made at the posterior, whose replicas "
        "know what it finds. There are no charts with it: each temperature would "
        "have coordinates of its own, and a swap would have to translate.",
    )
    trusts_gradient: bool = True
    noisy_gradient: bool = False

    def __post_init__(self) -> None:
        """Check every value, then every pair that could contradict."""
        for field in arguments_of(self):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                field.metadata["check"](field.name, value)
        if self.num_steps is not None and self.trajectory_length is not None:
            raise ValueError(
                f"num_steps={self.num_steps} and trajectory_length={self.trajectory_length} "
                "contradict each other; give one of them, or neither to choose it in warm-up."
            )
        if self.temperatures is not None:
            self._check_temperatures()
        if not self.adjusted:
            warnings.warn(
                "adjusted=False leaves out the Metropolis test: the draws are biased, they "
                "collapse below the typical set. Use it to find high-density regions, not to "
                "estimate.",
                stacklevel=4,
            )

    def _check_temperatures(self) -> None:
        asked = f"temperatures={self.temperatures}"
        if not self.adjusted:
            raise ValueError(
                f"{asked} and adjusted=False contradict each other: replicas that are not tested "
                "have no temperature. Leave one of them out."
            )
        if self.noisy_gradient:
            raise ValueError(
                f"{asked} and noisy_gradient=True do not go together: no temperature is defined "
                "for a random force. Leave one of them out."
            )

    def plan(
        self,
        num_warmup: int,
        dim: int,
        structure: np.ndarray | None = None,
        batch_shares: Sequence[float] = (),
    ) -> Plan:
        """Turn the settings into a plan for `num_warmup` iterations in `dim` dimensions.

        `structure` is the boolean [dim, dim] mask that a list of blocks in `dense_mass` stands for,
        `batch_shares` are the shares of their rows that plates draw as a minibatch.
        """
        if self.trusts_gradient:
            estimate = dense_fit.from_scores
            target_accept_prob, max_num_steps = TARGET_ACCEPT_PROB, MAX_NUM_STEPS
            trajectory_floor, jump_floor = TRAJECTORY_FLOOR, JUMP_FLOOR
        else:
            estimate = dense_fit.from_positions
            target_accept_prob = TARGET_ACCEPT_PROB_UNTRUSTED
            max_num_steps = MAX_NUM_STEPS_NOISY if self.noisy_gradient else MAX_NUM_STEPS_UNTRUSTED
            trajectory_floor = TRAJECTORY_FLOOR_SHORT
            jump_floor = JUMP_FLOOR_UNTRUSTED
        adapt_metric = self.adapt_mass_matrix and dim > 0
        if self.is_low_rank(dim):
            estimate_metric: Any = (
                low_rank_fit.from_scores if self.trusts_gradient else low_rank_fit.from_positions
            )
        else:
            estimate_metric = partial(estimate, structure=structure)
        # A Gaussian fitted to positions alone would bring in a force that is wrong in its own way.
        splits = self.integrator == "split" and adapt_metric and self.trusts_gradient
        # With a dense metric narrow places lost more than the rest gained. A given L may be odd.
        two_stage = splits and self.is_low_rank(dim) and self.num_steps is None
        splitting = TWO_STAGE if two_stage else LEAPFROG
        most = self.max_num_steps or max_num_steps
        most = max(1, most - most % splitting.stages)
        # Nothing is fitted to jump by where the metric is given; one particle alone is HMC.
        jumps = self.jumps and adapt_metric and self.adjusted and self.group_size > 1
        charts = self.charts and adapt_metric and self.trusts_gradient and not self.noisy_gradient
        charts = charts and self.is_dense(dim) and structure is None and not batch_shares
        charts = charts and self.temperatures is None
        charts = charts and CHARTS_FROM <= dim <= CHARTS_LIMIT and num_warmup > 0
        # Modes are told apart by gradients, and each has a matrix of its own.
        knows_modes = self.trusts_gradient and 0 < dim <= DENSE_LIMIT
        # Without a warm-up nothing can be chosen, without dimensions there is nothing to choose.
        can_choose = num_warmup > 0 and dim > 0
        return Plan(
            num_warmup=num_warmup,
            window_ends=window_ends(num_warmup),
            target_accept_prob=_given(self.target_accept_prob, target_accept_prob),
            adapt_step_size=self.adapt_step_size and dim > 0,
            estimate_metric=estimate_metric if adapt_metric else None,
            estimate_centre=dense_fit.centre_from_scores if splits else None,
            dense=self.is_dense(dim),
            low_rank=self.is_low_rank(dim),
            splitting=splitting,
            trajectory_length=self.trajectory_length,
            num_steps=self.num_steps if dim > 0 else 1,
            max_num_steps=most,
            kinds=self._kinds(most) if can_choose else (),
            pulling_strength=self.pulling_strength
            if can_choose
            else _given(self.pulling_strength, 0.0),
            trajectory_floor=trajectory_floor,
            jump_floor=jump_floor,
            trusts_gradient=self.trusts_gradient,
            # A batch is evaluated twice, at q and at the anchor; the test takes all rows.
            energy_cost=1.0 if batch_shares else 0.0,
            force_cost=2 * max(batch_shares) if batch_shares else 1.0,
            jumps=tuple(filter(self._is_offered(knows_modes), JUMPS)) if jumps else (),
            charts=charts,
        )

    def _is_offered(self, knows_modes: bool) -> Callable[[str], bool]:
        """Which jumps there is room for: what looks at two others moves nobody in a pair."""

        def is_offered(name: str) -> bool:
            jump = JUMPS[name]
            return jump.partners < self.group_size and (knows_modes or not jump.between_modes)

        return is_offered

    def search_bounds(self, num_warmup: int, num_particles: int, dim: int) -> Bounds | None:
        """How far to look before warm-up; None for no search."""
        wanted = bool(self.search) and self.trusts_gradient and not self.noisy_gradient
        if not wanted or not 0 < dim <= SEARCH_LIMIT:
            return None
        places = None if isinstance(self.search, bool | np.bool_) else self.search
        return bounds_of(num_warmup, num_particles, places)

    def _kinds(self, most: int) -> tuple[Kind, ...]:
        """What to choose from where the gradient is not trusted; nothing if one thing is asked."""
        asked = self.num_steps is not None or self.trajectory_length is not None or most == 1
        if self.trusts_gradient or asked:
            return ()
        walk = _given(self.target_accept_prob, TARGET_ACCEPT_PROB_WALK)
        target = _given(self.target_accept_prob, TARGET_ACCEPT_PROB_UNTRUSTED)
        if not self.noisy_gradient or most <= MAX_NUM_STEPS_UNTRUSTED:
            return Kind(1, walk), Kind(most, target)
        few = MAX_NUM_STEPS_UNTRUSTED
        return Kind(1, walk), Kind(few, target), Kind(most, walk, min_num_steps=few)

    def is_dense(self, dim: int) -> bool:
        """Whether the metric is a matrix [dim, dim]."""
        if self.dense_mass is None:
            return 0 < dim <= DENSE_LIMIT
        return self.dense_mass != LOW_RANK and bool(self.dense_mass) and dim > 0

    def is_low_rank(self, dim: int) -> bool:
        """Whether warm-up looks for a few directions that a diagonal metric cannot do justice."""
        asked = self.dense_mass == LOW_RANK or (self.dense_mass is None and dim > DENSE_LIMIT)
        return asked and self.adapt_mass_matrix and dim > 0


def _given(value: Any, default: Any) -> Any:
    """The value, or the default for None; `or` would ask a traced number for its truth."""
    return default if value is None else value


def only_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Of a constructor's arguments, as `locals()` has them, those that are for `Options`."""
    names = {each.name for each in arguments_of(Options)}
    return {name: value for name, value in given.items() if name in names}
