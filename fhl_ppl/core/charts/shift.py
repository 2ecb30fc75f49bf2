"""Pairs of coordinates that lie as far apart as others that go together.

Elements of two sites of one shape, such as z_j and lambda_j of a plate, are a fixed number of
coordinates apart: what all pairs of one shift say together settles which coordinate goes with which
long before each pair can by itself.
"""

from typing import Any

from fhl_ppl.core.arrays import array_namespace, eye
from fhl_ppl.core.charts.drivers import first_largest

Array = Any


def shared(found: Array) -> Array:
    """What the best shift says for each of its pairs, [dim, dim], from the evidence of all [j, i].

    It is the shift whose pairs have most beyond what pairs have on the average, and it says of each
    what they have in the mean.

    >>> import numpy as np
    >>> found = np.ones((4, 4))
    >>> found[0, 2] = found[1, 3] = 5
    >>> shared(found).tolist()[0]
    [0.0, 0.0, 5.0, 0.0]
    """
    xp = array_namespace(found)
    others = 1 - eye(found)
    of_shift = xp.sum(_by_shift(found * others), axis=0)
    pairs = xp.sum(_by_shift(others), axis=0)
    usual = xp.sum(of_shift) / xp.sum(pairs)
    best = first_largest(of_shift - usual * pairs)
    of_one = xp.sum(best * of_shift) / xp.sum(xp.where(best > 0, pairs, 0 * pairs))
    return of_one * _undone(best + 0 * _by_shift(found))


def is_alone(is_child: Array, own: Array) -> Array:
    """Whether no other child has its driver at the same shift [dim].

    >>> import numpy as np
    >>> own = np.eye(4, k=2) + np.eye(4, k=-1) * [[0], [0], [1], [0]]
    >>> is_alone(np.ones(4), own).astype(int).tolist()
    [0, 0, 1, 1]
    """
    xp = array_namespace(own)
    place = xp.cumulative_sum(xp.ones_like(is_child)) - 1
    shift = own @ place - place
    alike = xp.astype(shift[:, None] == shift, own.dtype)
    return alike @ is_child < 2


def _by_shift(pairs: Array) -> Array:
    """[dim, 2 dim - 1] from [j, i]: a column for each shift j - i, from 1 - dim on."""
    xp = array_namespace(pairs)
    dim = pairs.shape[0]
    wide = xp.concat([xp.flip(pairs, axis=1), xp.zeros_like(pairs)], axis=1)
    return xp.reshape(xp.reshape(wide, (-1,))[:-dim], (dim, 2 * dim - 1))


def _undone(by_shift: Array) -> Array:
    """[j, i] again; what is of no pair is dropped."""
    xp = array_namespace(by_shift)
    dim = by_shift.shape[0]
    flat = xp.concat([xp.reshape(by_shift, (-1,)), xp.zeros_like(by_shift[0, :dim])])
    return xp.flip(xp.reshape(flat, (dim, 2 * dim))[:, :dim], axis=1)
