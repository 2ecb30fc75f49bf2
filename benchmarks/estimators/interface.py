"""What an estimator is to the table: a function of a target that gives one of a seed."""

from typing import NamedTuple


class Found(NamedTuple):
    """What an estimator says of log Z.

    Attributes
    ----------
    value, error
        The estimate, and its standard error as the estimator reports it.
    is_warned
        Whether it says that something is wrong.
    evaluations
        Energies and gradients that it took, warm-up included; a gradient counts as one.
    """

    value: float
    error: float
    is_warned: bool
    evaluations: int
