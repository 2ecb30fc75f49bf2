"""Draws of particles whose effective sample size is known."""

import numpy as np
from scipy.signal import lfilter

from fhl_ppl.diagnostics import arviz_lines
from fhl_ppl.diagnostics.annotate import annotate


def autoregressive(rng, shape, slow):
    """x(t) = slow x(t-1) + noise along axis 1, stationary with variance 1."""
    noise = rng.normal(size=shape)
    noise[:, 1:] *= np.sqrt(1 - slow**2)
    return lfilter([1.0], [1.0, -slow], noise, axis=1)


def copies(draws, count):
    """Groups of particles that always agree: [group, draw] to [group * count, draw]."""
    return np.repeat(draws, count, axis=0)


def correlated(rng, group, num_draws, slow, shared):
    """Particles that have the share `shared` of their variance in common with their group."""
    own = autoregressive(rng, (len(group), num_draws), slow)
    common = autoregressive(rng, (group.max() + 1, num_draws), slow)[group]
    return np.sqrt(shared) * common + np.sqrt(1 - shared) * own


def inference_data(variables, group=None, statistics=None, **attrs):
    """Draws as the installed ArviZ holds them: InferenceData, or DataTree from 1.0 on."""
    groups = {"posterior": variables, "sample_stats": statistics or {}}
    filled = {name: arrays for name, arrays in groups.items() if arrays}
    data = arviz_lines.from_arrays(filled, None, None, {})
    return annotate(data, group, attrs)
