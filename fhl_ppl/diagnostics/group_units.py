"""ESS and R-hat with a group of particles, not a particle, as the unit.

The particles of a group act on one another, so their draws at one iteration may be correlated, and
the usual estimates, which take chains as independent, then count the same information several
times. Groups never exchange anything after warm-up. So each group gives one series,

    y_g(t) = n_g^(-1/2) * sum over the particles i of group g of z_i(t),

with n_g the number of its particles and z the draws, rank-normalised over all particles and
draws [1]_ as for the bulk ESS (mean 0, variance about 1, so that no moment of the draws themselves
has to exist). It is the group mean in units in which independent particles give it the variance of
a single z, whatever the size of the group.
"""

from typing import Any

import numpy as np

from fhl_ppl.diagnostics.arviz_lines import rank_r_hat

Array = np.ndarray


def group_series(draws: Array, group: Array) -> tuple[Array, Array]:
    """Rank-normalise draws [chain, draw, ...] and add them up over each group.

    `group` [chain] holds labels. Returns z [chain, draw, ...] and y [group, draw, ...], in the
    order of the sorted labels.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter, Bürkner (2021), "Rank-normalization, folding, and
       localization: an improved R-hat for assessing convergence of MCMC", equation 14.

    Examples
    --------
    >>> z, y = group_series(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([0, 0]))
    >>> y.shape, bool(np.allclose(y, 0.0))
    ((1, 2), True)
    """
    # Not at the top: the package itself, which can look at draws, does not need SciPy.
    from scipy.special import ndtri
    from scipy.stats import rankdata

    total = draws.shape[0] * draws.shape[1]
    ranks = rankdata(draws.reshape(total, -1), axis=0)
    z = ndtri((ranks - 3 / 8) / (total + 1 / 4)).reshape(draws.shape)
    return z, _sums(z, group)


def _sums(z: Array, group: Array) -> Array:
    series = [
        z[group == label].sum(axis=0) / np.sqrt((group == label).sum())
        for label in np.unique(group)
    ]
    return np.stack(series)


def variance_inflation(draws: Array, group: Array) -> Array:
    """How many times the variance of independent particles a group mean has: var(y) / var(z).

    1 for independent particles, n for n particles that always agree; nan for a quantity that does
    not vary. Of draws [chain, draw, ...] and the group of each chain, an array [...].
    """
    z, y = group_series(draws, group)
    with np.errstate(invalid="ignore"):
        return y.var(axis=(0, 1)) / z.var(axis=(0, 1))


def ess_group(draws: Array, group: Array) -> Array:
    """Effective number of draws of a single particle, from groups as the unit.

    In units of the bulk ESS: the number S for which independent draws of z would give its overall
    mean the Monte Carlo variance that it has, var(z) / S. Over G groups of N particles and D draws,
    the overall mean is sum_g sqrt(n_g) mean_t(y_g) / N. The groups being independent, with

        var(mean_t y_g) = var(y) G / ESS(y)        (ESS(y) from G series, so ESS(y)/G from one),

    its variance is sum_g n_g var(y) G / (ESS(y) N^2) = var(y) G / (ESS(y) N), and so

        S = ESS(y) * (N / G) * var(z) / var(y).

    For equal groups of n this is ESS(mean over the group) * var(z) / var(mean over the group).
    Independent particles have var(y) = var(z) and S = n ESS(y); particles that always agree have
    var(y) = n var(z) and S = ESS(y), that of one of them.

    What particles differ by in the long run, such as the labelling that each is in, stays the same
    in the sum over a group: no series shows it, and var(y) lacks it. So S is at most the ESS with
    particles as the unit, which counts it.

    Parameters
    ----------
    draws
        Shape [chain, draw, ...], with at least 4 draws.
    group
        Group of each chain, shape [chain].

    Returns
    -------
    Array
        Shape [...]; nan for a quantity that does not vary.

    Examples
    --------
    Four particles that always agree tell as much as one:

    >>> one = np.random.default_rng(0).normal(size=(2, 1000))
    >>> draws = np.repeat(one, 4, axis=0)
    >>> bool(ess_group(draws, np.repeat([0, 1], 4)) < 2500)
    True
    """
    return _effective(*group_series(draws, group), len(group))


def _effective(z: Array, y: Array, particles: int) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        variance_ratio = z.var(axis=(0, 1)) / y.var(axis=(0, 1))
        of_groups = _by_arviz("ess", y, method="mean") * (particles / len(y)) * variance_ratio
    of_particles = _by_arviz("ess", z, method="mean")
    return np.where(z.var(axis=(0, 1)) > 0, np.fmin(of_groups, of_particles), np.nan)


def mcse_group(draws: Array, group: Array) -> Array:
    """Monte Carlo error of the mean, from groups as the unit; arguments as those of `ess_group`.

    sd / sqrt(S), S as in `ess_group` but of the draws themselves: that one, of ranks, is not what
    the error of a mean goes by, such as where tails are heavy or the draws are 0 and 1.

    >>> draws = np.random.default_rng(0).normal(size=(8, 500))
    >>> bool(abs(mcse_group(draws, np.repeat([0, 1], 4)) * 4000**0.5 - 1) < 0.3)
    True
    """
    centred = draws - draws.mean(axis=(0, 1))
    effective = _effective(centred, _sums(centred, group), len(group))
    with np.errstate(divide="ignore", invalid="ignore"):
        return draws.std(axis=(0, 1)) / np.sqrt(effective)


def r_hat_group(draws: Array, group: Array) -> Array:
    """Split R-hat of the groups' series, the larger of the one for location and for spread.

    Location takes y as above; spread takes the same of |x - median(x)|, as the usual
    rank-normalised R-hat does. With a single group its two halves are compared. Arguments and
    result as those of `ess_group`.
    """
    folded = np.abs(draws - np.median(draws, axis=(0, 1)))
    halves = []
    for quantity in (draws, folded):
        _, y = group_series(quantity, group)
        half = y.shape[1] // 2
        # Split here, not by ArviZ, which refuses a single series before it splits.
        halves.append(np.concatenate([y[:, :half], y[:, -half:]]))
    location, spread = (_by_arviz("rhat", y, method="identity") for y in halves)
    return np.fmax(location, spread)


def effective(series: Array, group: Array) -> float:
    """Effective draws of one series [chain, draw]; all of them if it does not vary."""
    found = float(ess_group(series, group))
    return min(found, series.size) if np.isfinite(found) else float(series.size)


def worst_r_hat(series: Array, group: Array) -> float:
    """The larger R-hat of one series [chain, draw], over chains and over groups."""
    found = [float(r_hat_group(series, group))]
    if len(series) > 1:
        found.append(rank_r_hat(series))
    return max((each for each in found if np.isfinite(each)), default=1.0)


def _by_arviz(function: str, series: Array, **options: Any) -> Array:
    """Apply `arviz.ess` or `arviz.rhat` to [unit, draw, ...] quantity by quantity."""
    import arviz
    import xarray

    dims = ("chain", "draw", *(f"dim_{k}" for k in range(series.ndim - 2)))
    # A quantity that does not vary divides by zero, and comes out as nan.
    with np.errstate(divide="ignore", invalid="ignore"):
        result = getattr(arviz, function)(xarray.Dataset({"x": (dims, series)}), **options)
    return np.asarray(result["x"])
