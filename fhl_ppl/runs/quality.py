"""How good draws are: the least effective draws and the largest R-hat of any scalar."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from fhl_ppl.diagnostics.group_units import ess_group, r_hat_group

Array = np.ndarray

ENOUGH = 4096
"""Draws of each chain that a look takes, or half the effective draws asked for, if there are more:
then every second, or every third, and so on. Such a part has no more effective draws than all, and
a look costs the same however long the run is."""


class Quality(NamedTuple):
    """The worst scalars.

    Attributes
    ----------
    ess, ess_of
        The least effective draws of a scalar, or of its squared deviation, and its name; 0 if no
        scalar has any.
    r_hat, r_hat_of
        The largest R-hat and its name.
    """

    ess: float
    ess_of: str
    r_hat: float
    r_hat_of: str


_NONE = Quality(np.inf, "", -np.inf, "")


def quality(sites: Iterable[str], read: Callable[[str], Array], group: Array) -> Quality:
    """Look at all scalars.

    Parameters
    ----------
    sites
        Their names.
    read
        Gives the draws of one [chain, draw, ...], so that no more than one has to be in memory.
    group
        Group of each chain, [chain].

    Examples
    --------
    The square is what mixes worst where a chain changes its sign all the time:

    >>> x = np.random.default_rng(0).normal(size=(4, 500))
    >>> slow = np.abs(np.cumsum(x, axis=1))
    >>> found = quality(["a"], {"a": slow * np.sign(x)}.get, np.array([0, 0, 1, 1]))
    >>> found.ess_of
    'a squared'
    """
    worst = _NONE
    for site in sites:
        draws = np.asarray(read(site), float)
        worst = _worse(worst, site, draws, group)
    return _if_any(worst)


def worst_of(found: Mapping[str, tuple[Array, Array]]) -> Quality:
    """The same of what is known already: ESS and R-hat by site, [...] each.

    >>> worst_of({"a": (np.array([9.0, 5.0]), np.array([1.0, 1.1]))})
    Quality(ess=5.0, ess_of='a[1]', r_hat=1.1, r_hat_of='a[1]')
    """
    worst = _NONE
    for site, (ess, r_hat) in found.items():
        worst = _larger(_smaller(worst, site, ess), site, r_hat)
    return _if_any(worst)


def stride(draws: int, ess: float | None) -> int:
    """Every how many draws of a chain to take.

    >>> stride(1000, 400), stride(10**6, 400)
    (1, 245)
    """
    return -(-draws // max(ENOUGH, int(ess or 0) // 2))


def _worse(worst: Quality, site: str, draws: Array, group: Array) -> Quality:
    with np.errstate(invalid="ignore", over="ignore"):
        squares = (draws - draws.mean(axis=(0, 1))) ** 2
    finite = np.isfinite(squares).all(axis=(0, 1))
    # What is not finite is taken for a constant: neither has an ESS.
    draws, squares = np.where(finite, draws, 0.0), np.where(finite, squares, 0.0)
    for quantity, suffix in ((draws, ""), (squares, " squared")):
        ess = ess_group(quantity, group)
        worst = _smaller(worst, site, ess, suffix)
    return _larger(worst, site, r_hat_group(draws, np.arange(len(draws))))


def _smaller(worst: Quality, site: str, ess: Array, suffix: str = "") -> Quality:
    if np.isnan(ess).all():
        return worst
    where = np.unravel_index(np.nanargmin(ess), ess.shape)
    if ess[where] >= worst.ess:
        return worst
    return worst._replace(ess=float(ess[where]), ess_of=_name(site, where) + suffix)


def _larger(worst: Quality, site: str, r_hat: Array) -> Quality:
    found = np.nan_to_num(r_hat, nan=-np.inf, posinf=np.inf)
    where = np.unravel_index(np.argmax(found), found.shape)
    if found[where] <= worst.r_hat:
        return worst
    return worst._replace(r_hat=float(found[where]), r_hat_of=_name(site, where))


def _if_any(worst: Quality) -> Quality:
    if worst.ess_of:
        return worst
    return Quality(0.0, "no scalar varies", np.inf, "no scalar varies")


def _name(site: str, where: tuple[np.intp, ...]) -> str:
    return f"{site}[{', '.join(map(str, where))}]" if where else site
