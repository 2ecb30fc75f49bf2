"""Reference figures of a posterior from a long run of NumPyro's NUTS, written to reference/.

    python -m benchmarks.posteriors.long_run ig-german_sparse --draws 20000

For posteriors whose published figures lack E[x^2]. NUTS and not FHL, so that no sampler is measured
by its own errors.
"""

import argparse
import json

import jax
import numpy as np
import numpyro
from numpyro.infer import NUTS
from numpyro.infer.util import initialize_model

from benchmarks import measures, posteriors
from benchmarks.posteriors.models import MODELS
from benchmarks.samplers.interface import Size
from benchmarks.samplers.numpyro_kernels import entry, steps

LARGEST_RHAT = 1.01


def scalars(model, sites):
    """Names of all elements of the sites that the model draws."""
    found = initialize_model(jax.random.PRNGKey(0), model)
    values = found.postprocess_fn(found.param_info.z)
    for name in sites:
        size = values[name].size
        yield from [name] if values[name].ndim == 0 else (f"{name}[{i + 1}]" for i in range(size))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name", choices=sorted(MODELS))
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--warmup", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=20000)
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    with np.load(posteriors.HERE / "data" / f"{options.name}.npz") as file:
        model = MODELS[options.name](dict(file))
    sites = sorted(initialize_model(jax.random.PRNGKey(0), model).param_info.z)
    names = list(scalars(model, sites))
    size = Size(options.chains, options.warmup, options.draws)
    sampler = entry(NUTS, steps, target_accept_prob=0.9).build(model, size, sites)
    state, _ = jax.jit(sampler.start)(jax.random.PRNGKey(0))
    _, drawn = jax.jit(sampler.advance)(state)
    draws = posteriors.gather(drawn.sites, names)
    rhat = measures.rhat(draws).max()
    if rhat > LARGEST_RHAT:
        raise SystemExit(f"R-hat is {rhat:.3f}: run it longer")
    source = (
        f"benchmarks/posteriors/long_run.py: NumPyro {numpyro.__version__} NUTS, "
        f"target_accept_prob=0.9, {size.chains} chains of {size.warmup} + {size.draws}, float64; "
        f"largest R-hat {rhat:.4f}, {int(drawn.divergent.sum())} divergent"
    )
    figures = {key: np.round(value, 9).tolist() for key, value in measures.moments(draws).items()}
    path = posteriors.HERE / "reference" / f"{options.name}.json"
    path.write_text(json.dumps({"source": source, "names": names, **figures}) + "\n")
    print(source)


if __name__ == "__main__":
    main()
