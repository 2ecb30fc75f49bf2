"""Draws taken up in moments, chain by chain, and kept no longer. Knows no backend."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from fhl_ppl._extras import require
from fhl_ppl.core.groups import Groups, make_groups
from fhl_ppl.core.moments import across_chains
from fhl_ppl.core.moments.across_chains import Agreement
from fhl_ppl.core.moments.welford import Welford
from fhl_ppl.runs.blocks import Status
from fhl_ppl.runs.former import Former
from fhl_ppl.runs.quality import Quality, worst_of
from fhl_ppl.runs.sampling import Sampling

Array = np.ndarray
Moments = dict[str, Welford]

AT_A_TIME = 2**21
"""Numbers of all chains that are put into double precision at a time, to be compared."""


class Streamed(NamedTuple):
    """What is known of a run that kept no draws.

    Attributes
    ----------
    mean, sd
        Over all draws of all chains, by site, [...].
    mcse
        Standard error of the mean: groups are independent, and it is what their means say.
    ess
        Independent draws that would give the mean this error.
    r_hat
        With chains as units; neither split nor rank-normalised.
    r_hat_nested
        With superchains as units, or with groups if there are none.
    last
        The last draw of each chain, [chain, ...] by site. Of 10^4 chains these are draws enough for
        quantiles and pictures.
    status
        Draws, gradients, seconds, and what ended the run.
    """

    mean: dict[str, Array]
    sd: dict[str, Array]
    mcse: dict[str, Array]
    ess: dict[str, Array]
    r_hat: dict[str, Array]
    r_hat_nested: dict[str, Array]
    last: dict[str, Array]
    status: Status

    def table(self) -> Any:
        """As a `pandas.DataFrame` with a row for each scalar, named as in `fhl_ppl.summary`.

        >>> one = {"x": np.ones(2)}
        >>> status = Status(1, 1.0, 1.0, None, "", "draws")
        >>> list(Streamed(*([one] * 7), status).table().index)
        ['x[0]', 'x[1]']
        """
        require("arviz", "pandas")
        import pandas

        columns = {name: getattr(self, name) for name in Agreement._fields}
        rows = [
            f"{site}[{', '.join(map(str, where))}]" if where else site
            for site, values in self.mean.items()
            for where in np.ndindex(values.shape)
        ]
        values = {
            name: np.concatenate([np.ravel(column[site]) for site in self.mean])
            for name, column in columns.items()
        }
        return pandas.DataFrame(values, index=rows)


class Taken:
    """Takes draws up in moments; a `Keeper` of `run_in_blocks`.

    Parameters
    ----------
    sampling
        The run.
    superchains
        How many there are; None makes each group one.
    sites
        Whose moments to take; None is all.

    Raises
    ------
    ValueError
        If superchains are not of whole groups, or a site is unknown.
    """

    def __init__(
        self, sampling: Sampling, superchains: int | None, sites: Iterable[str] | None
    ) -> None:
        self._sampling = sampling
        here = sampling.sites()
        names = list(here) if sites is None else list(sites)
        unknown = [name for name in names if name not in here]
        if unknown:
            raise ValueError(
                f"sites has {unknown[0]!r}, which is not drawn; there are {list(here)}."
            )
        self._shapes = {name: tuple(here[name].shape) for name in names}
        self._moments: Moments = {name: across_chains.empty(here[name]) for name in names}
        self._groups, self._supers = partitions(
            sampling.processes.gathered(sampling.group), superchains
        )
        self.draws = 0

    @property
    def sites(self) -> list[str]:
        """Names of what is drawn."""
        return list(self._shapes)

    def warm_up(self, count: int) -> None:
        """Run so many iterations of the warm-up."""
        self._moments, _ = self._sampling.fold(count, lambda: False, _update, self._moments)

    def draw(self, count: int, stop: Callable[[], bool]) -> None:
        """Draw so many times, or less if `stop` says so on the way."""
        self._moments, drawn = self._sampling.fold(count, stop, _update, self._moments)
        self.draws += drawn

    def quality(self, sites: Iterable[str], ess: float | None) -> Quality:
        """Find the worst scalars of these sites."""
        looks = {site: self._look(site) for site in sites}
        return worst_of({site: (look.ess, look.r_hat) for site, look in looks.items()})

    def publish(self) -> None:
        """Let the `MCMC` hold no draws."""
        self._sampling.publish([])

    def write(self) -> None:
        """Write nothing."""

    def result(self, status: Status) -> Streamed:
        """What is known."""
        looks = {site: self._look(site) for site in self._shapes}
        found = {
            name: {site: getattr(look, name) for site, look in looks.items()}
            for name in Agreement._fields
        }
        here = self._sampling.on_host(self._sampling.sites())
        return Streamed(**found, last={site: here[site] for site in looks}, status=status)

    def _look(self, site: str) -> Agreement:
        chains, *shape = self._shapes[site]
        gathered = self._sampling.processes.gathered
        count, *both = self._sampling.on_host(self._moments[site])
        wide = max(1, AT_A_TIME // chains)
        columns = [np.reshape(gathered(part), (chains, -1)) for part in both]
        parts = []
        for begin in range(0, columns[0].shape[1], wide):
            of_these = [part[:, begin : begin + wide].astype(float) for part in columns]
            moments = Welford(count.astype(float), *map(np.ravel, of_these))
            with np.errstate(all="ignore"):
                found = across_chains.agreement(
                    moments, of_these[0].shape, self._groups, self._supers
                )
            parts.append(found)
        return Agreement(
            *(np.concatenate(of_all).reshape(shape) for of_all in zip(*parts, strict=True))
        )


def partitions(group: Array, superchains: int | None) -> tuple[Groups, Groups]:
    """Groups, from the group of each chain [chain], and superchains, each of as many groups.

    Raises
    ------
    TypeError, ValueError
        If there cannot be so many.

    Examples
    --------
    >>> partitions(np.repeat([0, 1, 2, 3], 4), 2)[1].group.tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    chains, like = len(group), np.zeros(0)
    groups = make_groups(chains, int(np.max(np.bincount(group))), like)
    if superchains is None:
        return groups, groups
    if isinstance(superchains, bool) or not isinstance(superchains, int):
        raise TypeError(f"superchains must be a whole number or None, got {superchains!r}")
    count = int(groups.group[-1]) + 1
    size = chains // max(1, superchains)
    if superchains < 2 or chains % superchains or (np.diff(group)[size - 1 :: size] == 0).any():
        raise ValueError(
            f"superchains must be at least 2 and divide the {count} groups of {chains} chains into "
            f"as many each, got {superchains}; change superchains or num_chains."
        )
    return groups, make_groups(chains, size, like)


def starts_of_superchains(former: Former, superchains: int) -> Former:
    """Where the first chain of each superchain is, for all of it to start from.

    >>> former = Former({"x": np.arange(6.0)}, None)
    >>> starts_of_superchains(former, 2).places["x"].tolist()
    [0.0, 0.0, 0.0, 3.0, 3.0, 3.0]
    """

    def repeated(places: Array) -> Array:
        size = len(places) // superchains
        return np.repeat(places[::size], size, axis=0)

    return Former({name: repeated(places) for name, places in former.places.items()}, None)


def _update(moments: Moments, sites: dict[str, Any]) -> Moments:
    return {name: across_chains.update(own, sites[name]) for name, own in moments.items()}
