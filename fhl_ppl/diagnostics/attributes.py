"""Sampler settings as attributes that netCDF can hold: strings and numbers."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np


def netcdf_attributes(settings: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Turn settings into netCDF attributes.

    Parameters
    ----------
    settings
        Any values by name. Truth values become 0 and 1, which netCDF has no type for; what is
        neither text nor a number becomes its `str`, such as "None" for what warm-up was to choose.

    Examples
    --------
    >>> netcdf_attributes({"group_size": 4, "adjusted": True, "num_steps": None})
    {'group_size': 4, 'adjusted': 1, 'num_steps': 'None'}
    >>> netcdf_attributes({"dense_mass": [("a", "b")]})
    {'dense_mass': "[('a', 'b')]"}
    """
    return {name: _attribute(value) for name, value in settings.items()}


def _attribute(value: Any) -> str | int | float:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_ | int | np.integer):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    return str(value)
