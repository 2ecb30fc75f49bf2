"""A process of several, `python -m tests.numpyro.two_hosts OUT INDEX COUNT PORT`.

It has one device, draws on those of all processes, and writes what it has to OUT.
"""

import sys
from pathlib import Path

import numpy as np

DATA = np.arange(10.0)
CHAINS = 32


def found(mesh, store, is_first=True):
    """Draws with a fixed tuning, and moments after a warm-up, by name."""
    import jax
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC

    import fhl_ppl
    from fhl_ppl.numpyro import FHL
    from tests.numpyro.models import CHEAP

    def model(data):
        mean = numpyro.sample("mean", dist.Normal(0, 1).expand([2]).to_event(1))
        numpyro.deterministic("twice", 2 * mean)
        numpyro.sample("y", dist.Normal(mean.sum(), 1.0), obs=data)

    def made(num_warmup, **settings):
        return MCMC(
            FHL(model, mesh=mesh, **CHEAP, **settings),
            num_warmup=num_warmup,
            num_samples=100,
            num_chains=CHAINS,
            chain_method="vectorized",
            progress_bar=False,
        )

    fixed = made(0, step_size=0.3, adapt_step_size=False, adapt_mass_matrix=False)
    # One process is content, and all stop.
    status = fhl_ppl.run(
        fixed,
        jax.random.key(0),
        DATA,
        store=store,
        block=50,
        callback=lambda status: is_first and status.draws == 100,
        until=fhl_ppl.Until(ess=1e9),
    )
    warmed = made(100)
    streamed = fhl_ppl.stream(warmed, jax.random.key(1), DATA, block=50)
    samples = fixed.get_samples(group_by_chain=True)
    return {
        "draws": samples["mean"],
        "twice": samples["twice"],
        "last": streamed.last["mean"],
        "table": streamed.table().to_numpy(float),
        "draws_in_all": status.draws,
        "least_ess": status.quality.ess,
        "summarised": fhl_ppl.to_arviz(fixed)["posterior"]["mean"].to_numpy(),
        "stored": fhl_ppl.open_store(store)["posterior"]["mean"].to_numpy(),
    }


def main(out, index, count, port):
    """Be process `index` of `count`."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"localhost:{port}", count, index)
    mesh = jax.make_mesh((jax.device_count(),), ("chains",))
    np.savez(out, **found(mesh, Path(out).with_suffix(".store"), index == 0))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
