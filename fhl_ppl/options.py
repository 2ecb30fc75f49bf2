"""The settings that both adapters share: what is allowed, and the plan they amount to."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any

import numpy as np

from fhl_ppl.core.couplings import COUPLINGS
from fhl_ppl.core.learners.move_shares import JUMP_FLOOR, TRAJECTORY_FLOOR
from fhl_ppl.core.learners.windows import window_ends
from fhl_ppl.core.metrics import dense_fit, low_rank_fit
from fhl_ppl.core.moves import JUMPS
from fhl_ppl.core.plan import Kind, Plan
from fhl_ppl.core.trajectory.splitting import LEAPFROG, TWO_STAGE

INTEGRATORS = ("split", "leapfrog")
DENSE_LIMIT = 256
"""Dimension up to which `dense_mass=None` means a dense metric; beyond, its products cost much."""
LOW_RANK = "low_rank"
"""What `dense_mass` is called where it is scales and a few directions; None means it beyond."""

MAX_NUM_STEPS = 1024
"""Default cap on L, as NUTS's tree of depth 10."""
TARGET_ACCEPT_PROB = 0.9
"""Default acceptance to aim at. Split steps are long where the posterior is near its Gaussian, and
too long for a narrow end elsewhere: with 0.85 one run of six of brownian_unknown_scales ended with
an R-hat of 1.4, with 0.9 none."""
MAX_NUM_STEPS_UNTRUSTED = 4
"""The same with a `gradient_fn`: the energy error of a wrong force grows with the length of the
trajectory and not with its step, so that long ones are dear and end in rejection."""
MAX_NUM_STEPS_NOISY = 32
"""The same where the gradient is noisy: over a long trajectory noise averages out."""
TRAJECTORY_FLOOR_UNTRUSTED = 0.05
"""Share of the iterations that trajectories keep beside the jumps, with a `gradient_fn`."""
JUMP_FLOOR_UNTRUSTED = 0.05
"""The same for each of the jumps: with no gradient to find the way, a variety of them does."""
TARGET_ACCEPT_PROB_UNTRUSTED = 0.6
"""The same with a `gradient_fn`: between what suits a true gradient and a random walk."""
TARGET_ACCEPT_PROB_WALK = 0.3
"""The same for single steps with a `gradient_fn`, which are a random walk in the worst case, and
for long noisy trajectories: the energy error of either grows as the square of the step."""


@dataclass(frozen=True)
class Options:
    """The constructor arguments of `FHL` that do not depend on the backend, checked.

    The docstrings of `fhl_ppl.numpyro.FHL` and `fhl_ppl.pyro.FHL` explain them.

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

    group_size: int = 4
    coupling: str = "alternate"
    adjusted: bool = True
    pulling_strength: float | None = None
    step_size: float = 1.0
    adapt_step_size: bool = True
    target_accept_prob: float | None = None
    trajectory_length: float | None = None
    num_steps: int | None = None
    max_num_steps: int | None = None
    adapt_mass_matrix: bool = True
    dense_mass: bool | str | Sequence[tuple[str, ...]] | None = None
    integrator: str = "split"
    jumps: bool = True
    trusts_gradient: bool = True
    noisy_gradient: bool = False

    def __post_init__(self) -> None:
        """Check every value, then every pair that could contradict."""
        for name in ("adjusted", "adapt_step_size", "adapt_mass_matrix", "jumps"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise TypeError(f"{name} must be True or False, got {getattr(self, name)!r}.")
        _whole("group_size", self.group_size, "at least 1 (1 is plain HMC)")
        if self.max_num_steps is not None:
            _whole("max_num_steps", self.max_num_steps, "at least 1, or None for the default")
        if self.num_steps is not None:
            _whole("num_steps", self.num_steps, "at least 1, or None to choose it in warm-up")
        _real("step_size", self.step_size, lambda x: x > 0, "positive")
        if self.target_accept_prob is not None:
            _real(
                "target_accept_prob",
                self.target_accept_prob,
                lambda x: 0 < x < 1,
                "in (0, 1), or None for the default",
            )
        if self.trajectory_length is not None:
            _real(
                "trajectory_length",
                self.trajectory_length,
                lambda x: x > 0,
                "positive, or None to choose it in warm-up",
            )
        if self.pulling_strength is not None:
            _real(
                "pulling_strength",
                self.pulling_strength,
                lambda x: x >= 0,
                "0 (no pull) or more, or None to choose it in warm-up",
            )
        if not isinstance(self.coupling, str) or self.coupling not in COUPLINGS:
            raise ValueError(
                f"coupling must be one of {', '.join(map(repr, COUPLINGS))}, got {self.coupling!r}."
            )
        if self.integrator not in INTEGRATORS:
            raise ValueError(
                f"integrator must be one of {', '.join(map(repr, INTEGRATORS))}, "
                f"got {self.integrator!r}."
            )
        if self.num_steps is not None and self.trajectory_length is not None:
            raise ValueError(
                f"num_steps={self.num_steps} and trajectory_length={self.trajectory_length} "
                "contradict each other; give one of them, or neither to choose it in warm-up."
            )
        if isinstance(self.dense_mass, str) and self.dense_mass != LOW_RANK:
            raise ValueError(
                f"dense_mass must be True, False, None, {LOW_RANK!r} or a list of tuples of site "
                f"names, got {self.dense_mass!r}; for one site give [({self.dense_mass!r},)]."
            )
        if not (self.dense_mass is None or isinstance(self.dense_mass, bool | str | list | tuple)):
            raise TypeError(
                f"dense_mass must be True, False, None, {LOW_RANK!r} or a list of tuples of site "
                f"names, got {self.dense_mass!r}."
            )
        if isinstance(self.dense_mass, list | tuple) and not all(
            isinstance(block, str | tuple | list) for block in self.dense_mass
        ):
            raise TypeError(
                f"dense_mass must be a list of tuples of site names, got {self.dense_mass!r}."
            )
        if not self.adjusted:
            warnings.warn(
                "adjusted=False leaves out the Metropolis test: the draws are biased, they "
                "collapse below the typical set. Use it to find high-density regions, not to "
                "estimate.",
                stacklevel=4,
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
            trajectory_floor = TRAJECTORY_FLOOR_UNTRUSTED
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
        # Without a warm-up nothing can be chosen, without dimensions there is nothing to choose.
        can_choose = num_warmup > 0 and dim > 0
        return Plan(
            num_warmup=num_warmup,
            window_ends=window_ends(num_warmup),
            target_accept_prob=self.target_accept_prob or target_accept_prob,
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
            pulling_strength=self.pulling_strength if can_choose else self.pulling_strength or 0.0,
            trajectory_floor=trajectory_floor,
            jump_floor=jump_floor,
            trusts_gradient=self.trusts_gradient,
            # A batch is evaluated twice, at q and at the anchor; the test takes all rows.
            energy_cost=1.0 if batch_shares else 0.0,
            force_cost=2 * max(batch_shares) if batch_shares else 1.0,
            jumps=tuple(JUMPS) if jumps else (),
        )

    def _kinds(self, most: int) -> tuple[Kind, ...]:
        """What to choose from where the gradient is not trusted; nothing if one thing is asked."""
        asked = self.num_steps is not None or self.trajectory_length is not None or most == 1
        if self.trusts_gradient or asked:
            return ()
        walk = self.target_accept_prob or TARGET_ACCEPT_PROB_WALK
        target = self.target_accept_prob or TARGET_ACCEPT_PROB_UNTRUSTED
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


def check_random_force(
    has_gradient_fn: bool, noisy_gradient: bool, minibatch: bool, has_model: bool, anchor: Any
) -> None:
    """Check the arguments of `FHL` that ask for a random force.

    Raises
    ------
    TypeError
        If `noisy_gradient` or `minibatch` is not a bool.
    ValueError
        If one of them lacks what it needs, or contradicts another.
    """
    for name, value in {"noisy_gradient": noisy_gradient, "minibatch": minibatch}.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, got {value!r}.")
    if noisy_gradient and not has_gradient_fn:
        raise ValueError(
            "noisy_gradient=True needs a gradient_fn: the energy itself has to be exact, so noise "
            "can only be in a function of its own. For a model whose plate subsamples, set "
            "minibatch=True instead."
        )
    if minibatch and has_gradient_fn:
        raise ValueError(
            "minibatch=True takes the gradient of the model's own batches; leave gradient_fn out."
        )
    if minibatch and not has_model:
        raise ValueError(
            "minibatch=True needs a model, with a plate that subsamples. With a potential_fn, give "
            "a gradient_fn that draws the batch, and noisy_gradient=True."
        )
    if anchor is not None and not minibatch:
        raise ValueError("anchor has a meaning with minibatch=True only; give both or neither.")


def block_structure(
    dense_mass: bool | str | Sequence[str | tuple[str, ...]] | None,
    sites: dict[str, slice],
    dim: int,
) -> np.ndarray | None:
    """Which entries of the metric the blocks in `dense_mass` set free, boolean [dim, dim].

    Parameters
    ----------
    dense_mass
        A list of tuples of site names; each tuple is a dense block. None for anything else.
    sites
        Where each site lies in the flat position.
    dim
        Length of the flat position.

    Raises
    ------
    ValueError
        If a name is not a latent site, or stands in two blocks.

    Examples
    --------
    >>> block_structure([("a",)], {"a": slice(0, 2), "b": slice(2, 3)}, 3).astype(int)
    array([[1, 1, 0],
           [1, 1, 0],
           [0, 0, 1]])
    """
    if dense_mass is None or isinstance(dense_mass, bool | str) or not dense_mass:
        return None
    structure = np.eye(dim, dtype=bool)
    seen: set[str] = set()
    for block in dense_mass:
        names = (block,) if isinstance(block, str) else tuple(block)
        for name in names:
            if name not in sites:
                raise ValueError(
                    f"dense_mass names {name!r}, which is no latent site; there are "
                    f"{', '.join(map(repr, sites))}."
                )
            if name in seen:
                raise ValueError(f"dense_mass names {name!r} twice; put it in one block.")
            seen.add(name)
        member = np.zeros(dim, dtype=bool)
        for name in names:
            member[sites[name]] = True
        structure |= member[:, None] & member
    return structure


def initial_inverse_mass_matrix(
    given: Any, sites: dict[str, slice], dim: int, dense: bool
) -> np.ndarray:
    """The inverse mass matrix to start from, float64, [dim, dim] if `dense` and else [dim].

    Parameters
    ----------
    given
        None (unit scales), an array [dim] or [dim, dim], or a dict from tuples of site names to
        blocks of either form.
    sites
        Where each site lies in the flat position.
    dim
        Length of the flat position.
    dense
        Whether the metric is a matrix.

    Raises
    ------
    ValueError
        If the shape does not fit, a block names an unknown site, or it is not positive definite.
    """
    if given is None:
        given = np.ones(dim)
    matrix: np.ndarray
    if isinstance(given, dict):
        matrix = np.eye(dim)
        for block, values in given.items():
            names = (block,) if isinstance(block, str) else tuple(block)
            unknown = [name for name in names if name not in sites]
            if unknown:
                raise ValueError(
                    f"inverse_mass_matrix names {unknown[0]!r}, which is no latent site; there "
                    f"are {', '.join(map(repr, sites))}."
                )
            index = np.concatenate([np.arange(dim)[sites[name]] for name in names])
            part = _shaped(values, len(index), f"the block {names}")
            matrix[np.ix_(index, index)] = np.diag(part) if part.ndim == 1 else part
    else:
        matrix = _shaped(given, dim, "the latent sites together")
    if matrix.ndim == 2 and not dense:
        if np.any(matrix != np.diag(np.diag(matrix))):
            raise ValueError(
                "inverse_mass_matrix has off-diagonal entries but the metric is diagonal, or of "
                "low rank, which starts as one; set dense_mass=True, or give the diagonal alone."
            )
        matrix = np.diag(matrix).copy()
    smallest = np.min(matrix if matrix.ndim == 1 else np.linalg.eigvalsh(matrix), initial=np.inf)
    if not smallest > 0:
        raise ValueError(
            "inverse_mass_matrix must be positive definite; its smallest eigenvalue is "
            f"{smallest:.3g}."
        )
    return np.diag(matrix) if matrix.ndim == 1 and dense else matrix


def _shaped(values: Any, dim: int, what: str) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"inverse_mass_matrix must hold numbers, got {values!r}.") from None
    if array.shape not in ((dim,), (dim, dim)):
        raise ValueError(
            f"inverse_mass_matrix has shape {array.shape} for {what}; "
            f"({dim},) or ({dim}, {dim}) is needed."
        )
    if not np.all(np.isfinite(array)) or (array != array.T).any():
        raise ValueError("inverse_mass_matrix must be finite and symmetric.")
    return array


def _whole(name: str, value: Any, wanted: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}.")
    if value < 1:
        raise ValueError(f"{name} must be {wanted}, got {value}.")


def _real(name: str, value: Any, allowed: Any, wanted: str) -> None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}.") from None
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    if not (isfinite(number) and allowed(number)):
        raise ValueError(f"{name} must be {wanted}, got {value}.")
