"""Sampler settings as attributes that netCDF can hold: strings, numbers and rows of numbers."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

Attribute = str | int | float | list[float]


def netcdf_attributes(settings: Mapping[str, Any]) -> dict[str, Attribute]:
    """Turn settings into netCDF attributes.

    Parameters
    ----------
    settings
        Any values by name. Truth values become 0 and 1, which netCDF has no type for; lists of
        numbers stay lists; what is none of these becomes its `str`, such as "None" for what warm-up
        was to choose.

    Examples
    --------
    >>> netcdf_attributes({"group_size": 4, "adjusted": True, "num_steps": None})
    {'group_size': 4, 'adjusted': 1, 'num_steps': 'None'}
    >>> netcdf_attributes({"dense_mass": [("a", "b")]})
    {'dense_mass': "[('a', 'b')]"}
    >>> netcdf_attributes({"pull_probabilities": [0.75, 0.25]})
    {'pull_probabilities': [0.75, 0.25]}
    """
    return {name: _attribute(value) for name, value in settings.items()}


def _attribute(value: Any) -> Attribute:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_ | int | np.integer):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, list) and value and all(isinstance(item, Real) for item in value):
        return [float(item) for item in value]
    return str(value)
