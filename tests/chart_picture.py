"""What the picture of a funnel's chart has to show, whatever the backend."""

import numpy as np
import pytest

from fhl_ppl import plots


def width_goes_with_scale(ax):
    """Correlation of the drawn scale with the logarithm of the child's size."""
    child, scale = ax.lines[0].get_data()
    return abs(np.corrcoef(scale, np.log(np.abs(child - np.median(child))))[0, 1])


def assert_straightened(axes):
    """Of some 1000 draws, without a chart .9; with one it is of the order of .03."""
    assert width_goes_with_scale(axes[0]) > 0.6
    assert width_goes_with_scale(axes[1]) < 0.2


def check_picture(mcmc, monkeypatch):
    axes = plots.chart(mcmc)
    assert_straightened(axes)
    assert axes[0].get_ylabel() == "log_scale"
    assert axes[0].get_xlabel() in {f"x[{k}]" for k in range(4)}
    # A chart that is not gone through is noticed.
    monkeypatch.setattr(plots, "to_coordinates", lambda chart, position: position)
    with pytest.raises(AssertionError):
        assert_straightened(plots.chart(mcmc))
