"""Which chart to go on with: the identity, unless held-out draws speak clearly for another."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fhl_ppl.core.arrays import array_namespace
from fhl_ppl.core.charts import attempts, hierarchy
from fhl_ppl.core.charts import chart as charts
from fhl_ppl.core.charts.attempts import CLEAR, Known, Offer, Tried, has_children
from fhl_ppl.core.charts.chart import Chart
from fhl_ppl.core.charts.least_squares import select
from fhl_ppl.core.charts.loss import held_out_loss, loss_as_they_are
from fhl_ppl.core.charts.rows import Rows
from fhl_ppl.core.control import Control
from fhl_ppl.core.stacked import at, stack

Array = Any

CANDIDATES = 6 + 2 * hierarchy.DRIVERS
"""Charts that are tried at each renewal, the identity among them."""
GOOD = 0.05
"""A loss with which there is nothing left to gain: of the identity, and no chart is kept."""
BETTER = 0.005
"""The same of a chart: what is left of a funnel's, .038 in one seed, is all in the neck, where that
run had no draw below -6.6 among 4000 of N(0, 3^2). A second fit comes down to .001."""
ONE_MODE = 0.1
"""What a chart's loss has to be below where several modes are known: then it makes one of them.
Modes that are apart are not a chart's business: with one, phase_wrap came to rest in a wrong mode
in one seed of four, and was 5 errors off in two, R-hat 1.004."""
FEW = 4
"""Dimensions below which it has to be that whatever is known. In two or three most of what is no
Gaussian is modes: with charts of any loss phase_wrap (d = 2) was 5 errors off with an R-hat of
1.002, and gp_hyper (d = 3) had 48 and 115 effective draws for 1000 gradients, without any 161 and
120. The chart of a funnel has next to no loss."""
SLICES = 0.3
"""Above this loss, of modes laid on one another, they were none: the archive takes slices of a
hierarchy for such, and a chart with children may undo these. With ONE_MODE for it a horseshoe had
no chart, and in one seed stochastic volatility (.60), with a quarter of this loss asked for, 1.2
effective draws for 1000 gradients in place of 6.6."""


def renew(
    own: Chart, rows: Rows, within: Rows, several: Array, control: Control
) -> tuple[Chart, Array]:
    """The best of the identity, the chart so far and new ones, and the losses of all.

    Parameters
    ----------
    own
        The chart so far.
    rows
        Draws and the gradients of U there, in the user's coordinates.
    within
        The same in the coordinates of `own`, modes laid on one another where some are known: what
        is no Gaussian for having several modes needs no chart.
    several
        Whether several modes are known.
    control
        Loops.

    Returns
    -------
    A chart, and the losses of the identity, of the chart so far without its tails and bends, of
    hierarchies with 1, 2, ... drivers along the user's axes, of such along other axes, of local
    scales, of the best of these with its tails straightened and with its coordinates bent, and of
    the chart so far, shape [CANDIDATES]. What was not tried has the loss that led to it.
    """
    xp = array_namespace(rows.position)
    unchanged = charts.identity(rows.position)
    loss, of_modes = loss_as_they_are(rows, control), loss_as_they_are(within, control)
    loss = xp.where(charts.is_moving(own) | (loss < of_modes), loss, of_modes)
    no_drivers = xp.stack([0 * rows.position[0, :]] * hierarchy.DRIVERS)
    known = Known(
        stack([unchanged] * 3), loss, unchanged, loss, no_drivers, loss, of_modes, several
    )
    good = xp.where(charts.is_moving(own), BETTER + 0 * loss, GOOD + 0 * loss)
    losses = xp.stack([loss] * CANDIDATES)
    places = xp.cumulative_sum(xp.ones_like(losses)) - 1

    def try_one(place: Any, value: tuple[Known, Array]) -> tuple[Known, Array]:
        known, losses = value
        place = 0 * places[0] + place
        turned = xp.astype(place > 1 + hierarchy.DRIVERS, losses.dtype)
        number = place - 1 - hierarchy.DRIVERS * turned
        begins = number == 1
        known = known._replace(
            loss=xp.where(begins, known.without, known.loss),
            latest=select(begins, unchanged, known.latest),
            drivers=xp.where(begins, no_drivers, known.drivers),
        )
        last = 2 + 2 * hierarchy.DRIVERS
        kinds = (
            (place == 1, partial(attempts.children_of_previous, own)),
            (place < last, partial(attempts.with_drivers, number, turned)),
            (place == last, attempts.with_local_scales),
            (place == last + 1, attempts.with_straight_tails),
            (place == last + 2, attempts.with_bent_coordinates),
            (place == last + 3, partial(attempts.previous, own)),
        )

        def attempt(known: Known) -> Known:
            return _better(*_first_due(kinds, known, rows, control), rows, control)

        # One driver that is no good leaves little hope for two.
        hopeless = (number > 1) & (place < last) & (known.loss >= known.without)
        known = control.cond((known.lowest > good) & ~hopeless, attempt, lambda same: same, known)
        return known, xp.where(places >= place, known.loss, losses)

    known, losses = control.fori_loop(1, CANDIDATES, try_one, (known, losses))
    return at(known.best, 0), losses


def _first_due(
    kinds: tuple[tuple[Array, Callable[..., Tried]], ...],
    known: Known,
    rows: Rows,
    control: Control,
) -> Tried:
    """Make the first attempt that is due; the last is, if no other."""
    (due, attempt), *others = kinds
    if not others:
        return attempt(known, rows, control)
    return control.cond(
        due,
        lambda known: attempt(known, rows, control),
        lambda known: _first_due(tuple(others), known, rows, control),
        known,
    )


def _better(known: Known, offer: Offer, rows: Rows, control: Control) -> Known:
    """The charts that are offered become the best if their loss is clearly the lowest."""
    xp = array_namespace(rows.position)
    loss = held_out_loss(offer.charts, rows, control)
    loss = xp.where(loss < offer.at_most, loss, offer.at_most)
    wins = loss < offer.margin * known.lowest
    wins = wins & ((loss < CLEAR) | (loss < offer.clear * known.lowest))
    if rows.position.shape[1] < FEW:
        wins = wins & (loss < ONE_MODE)
    else:
        slices = has_children(offer.charts) & (known.without > SLICES)
        wins = wins & ((loss < ONE_MODE) | ~known.several | slices)
    best, lowest = select(wins, (offer.charts, (loss,)), (known.best, (known.lowest,)))
    return known._replace(best=best, lowest=lowest[0], latest=at(offer.charts, 0), loss=loss)
