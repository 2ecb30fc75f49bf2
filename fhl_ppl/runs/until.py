"""When a run is good enough, or has cost enough."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import inf
from numbers import Integral, Real
from typing import Any

from fhl_ppl.runs.quality import Quality

FIRST_LOOK = 100
"""Draws of each chain before the first look: an ESS of shorter series says little."""

GROWTH = 1.25
"""A look comes when there are so many times the draws of the one before. Whoever looks at every
draw stops at the one where chance is kindest; between two looks so far apart most of an estimate is
new. And what they cost together is a few times what the last costs."""


@dataclass(frozen=True)
class Until:
    """What to draw until: all that is asked of the draws holds, or a bound on their cost is met.

    Parameters
    ----------
    ess : float, optional
        Effective draws that every scalar and its squared deviation from its mean are to have, all
        chains together, with groups of particles as the units (`fhl_ppl.summary` has it as
        ``ess_group``). Of the squares depend standard deviations and intervals. What does not vary
        or is not finite does not count.
    r_hat : float, optional
        The largest R-hat of any scalar, rank-normalised, with chains as the units; 1.01 is what
        Vehtari et al. (2021) recommend.
    draws : int, optional
        Draws of each chain, at most.
    seconds : float, optional
        Of the call, at most; compiling counts, and the block that is being drawn is finished.
    gradients : int, optional
        Of all particles together, warm-up and private companions too, at most; the block that is
        being drawn is finished.
    sites : sequence of str, optional
        Whose scalars count for `ess` and `r_hat`. Default: all, deterministic ones too.

    Notes
    -----
    `ess` and `r_hat` are looked at after 100 draws, and whenever there are a quarter more, not
    after every block: who looks more often stops more often by luck. Without `draws`, `seconds` or
    `gradients` a run that does not get good goes on until it is interrupted.

    Raises
    ------
    TypeError, ValueError
        If a number is none or out of range, or nothing is asked for.

    Examples
    --------
    >>> Until(ess=400, draws=10_000).ess
    400
    >>> Until(r_hat=0.9)
    Traceback (most recent call last):
        ...
    ValueError: r_hat must be above 1, got 0.9; 1.01 is usual.
    """

    ess: float | None = None
    r_hat: float | None = None
    draws: int | None = None
    seconds: float | None = None
    gradients: int | None = None
    sites: Sequence[str] | None = None

    def __post_init__(self) -> None:
        bounds = {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name != "sites"
        }
        if all(bound is None for bound in bounds.values()):
            raise ValueError(f"Until needs at least one of {', '.join(bounds)}; give ess=400.")
        for name, bound in bounds.items():
            if bound is not None:
                _check(name, bound, Integral if name in {"draws", "gradients"} else Real)
        if self.r_hat is not None and not self.r_hat > 1:
            raise ValueError(f"r_hat must be above 1, got {self.r_hat}; 1.01 is usual.")
        names = () if self.sites is None else self.sites
        # What can be gone through once only would be empty at the next look.
        is_collection = isinstance(names, Collection) and not isinstance(names, str)
        if not is_collection or not all(isinstance(each, str) for each in names):
            raise TypeError(f"sites must be a sequence of names, or None, got {self.sites!r}")

    @property
    def looks_at_draws(self) -> bool:
        """Whether anything is asked of the draws themselves."""
        return self.ess is not None or self.r_hat is not None

    def missing(self, found: Quality) -> str:
        """Say what the draws still lack, and which scalar; nothing if they are good.

        >>> Until(ess=400, r_hat=1.01).missing(Quality(212.3, "tau", 1.002, "mu"))
        'ESS 212 of 400 (tau)'
        """
        lacks = []
        if self.ess is not None and not found.ess >= self.ess:
            lacks.append(f"ESS {found.ess:.0f} of {self.ess:g} ({found.ess_of})")
        if self.r_hat is not None and not found.r_hat <= self.r_hat:
            lacks.append(f"R-hat {found.r_hat:.3f}, not {self.r_hat:g} ({found.r_hat_of})")
        return ", ".join(lacks)

    def spent(self, draws: int, seconds: float, gradients: float) -> str:
        """Name the bound that is met, if one is.

        >>> Until(draws=100, seconds=60).spent(100, 3.0, 1e4), Until(ess=400).spent(100, 3.0, 1e4)
        ('draws', '')
        """
        cost = {"draws": draws, "seconds": seconds, "gradients": gradients}
        bounds = {name: getattr(self, name) for name in cost}
        return next(
            (k for k, bound in bounds.items() if bound is not None and cost[k] >= bound), ""
        )


class Looks:
    """When to look at the draws: at times spread geometrically.

    Examples
    --------
    >>> looks = Looks()
    >>> [draws for draws in range(50, 500, 50) if looks.due(draws)]
    [100, 150, 200, 250, 350, 450]
    """

    def __init__(self) -> None:
        self._next: float = FIRST_LOOK

    def due(self, draws: int) -> bool:
        """Whether to look now that there are so many draws of each chain."""
        if draws < self._next:
            return False
        self._next = GROWTH * draws
        return True


def _check(name: str, value: Any, kind: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, kind):
        what = "a whole number" if kind is Integral else "a number"
        raise TypeError(f"{name} must be {what} or None, got {value!r}")
    if not 0 < value < inf:
        raise ValueError(f"{name} must be above 0 and finite, got {value!r}")
