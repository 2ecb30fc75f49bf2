"""FHL beside numpyro.infer.NUTS: effective draws per gradient and per CPU second, in one run.

    python benchmarks/numpyro_speed.py --yardstick FOLDER [--seeds 3] [--json FILE] [NAME ...]

FOLDER holds models_numpyro.py (MODELS[name](data) is a model), bench.py (load, select, gather),
data/ and ref/ (means and variances to compare with). Both kernels run with no arguments, as 4
vectorized chains, 1000 + 1000 iterations, float64. Gradients and seconds include the warm-up;
compilation is apart. Medians over the seeds, the worst for z and rhat.

ess        the lowest bulk ESS of any x and x^2
/1000 g    per 1000 gradients;  ratio g: FHL's over that of NUTS
/s         per CPU second;      ratio s: the same
z          the largest |z| of any mean of x and x^2 against the reference
rhat       the largest R-hat
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import jax
import numpy as np
from numpyro.infer import MCMC, NUTS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.judge import judge
from fhl_ppl.numpyro import FHL

KERNELS = {"NUTS": (NUTS, "num_steps"), "FHL": (FHL, "n_steps")}


def compiled(model, side, chains, warmup, draws):
    """Warm-up and sampling as one compiled function of the key, and the seconds that took."""
    kernel, steps = KERNELS[side]

    def run(key):
        settings = {"num_chains": chains, "chain_method": "vectorized", "progress_bar": False}
        mcmc = MCMC(kernel(model), num_warmup=warmup, num_samples=draws, **settings)
        mcmc.warmup(key, collect_warmup=True, extra_fields=(steps,))
        gradients = mcmc.get_extra_fields()[steps].sum()
        mcmc.run(mcmc.post_warmup_state.rng_key, extra_fields=(steps,))
        fields = mcmc.get_extra_fields()
        gradients += fields[steps].sum()
        return mcmc.get_samples(group_by_chain=True), gradients, fields["diverging"].sum()

    start = time.process_time()
    function = jax.jit(run).lower(jax.random.PRNGKey(0)).compile()
    return function, time.process_time() - start


def measure(model, side, reference, gather, options):
    function, compile_s = compiled(model, side, options.chains, options.warmup, options.draws)
    rows = []
    for seed in range(options.seeds):
        start = time.process_time()
        result = jax.block_until_ready(function(jax.random.PRNGKey(seed)))
        seconds = time.process_time() - start
        sites, gradients, divergent = jax.tree.map(np.asarray, result)
        row = judge(gather(sites, reference["names"]), reference)
        row |= {"gradients": int(gradients), "seconds": seconds, "divergent": int(divergent)}
        row |= {"per_gradient": row["ess"] / row["gradients"], "per_second": row["ess"] / seconds}
        rows.append(row)
    worst = ("z", "rhat")
    middle = {
        key: (np.max if key in worst else np.median)([row[key] for row in rows]) for key in rows[0]
    }
    return {"compile": compile_s, **middle, "runs": rows}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=("all",))
    parser.add_argument("--yardstick", required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, options.yardstick)
    import bench
    from models_numpyro import MODELS

    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore")
    print(
        f"{'':28} {'ess':>7} {'grads':>9} {'/1000 g':>8} {'ratio g':>8} {'/s':>8} {'ratio s':>8} "
        f"{'z':>5} {'rhat':>6} {'div':>4} {'compile':>8}"
    )
    results, ratios = [], []
    for name in bench.select(",".join(options.names)):
        data, reference = bench.load(name)
        model = MODELS[name](data)
        sides = {s: measure(model, s, reference, bench.gather, options) for s in KERNELS}
        ratio = {
            key: sides["FHL"][key] / sides["NUTS"][key] for key in ("per_gradient", "per_second")
        }
        ratios.append(ratio)
        for side, row in sides.items():
            shown = [f"{ratio[key]:8.2f}" if side == "FHL" else " " * 8 for key in ratio]
            print(
                f"{name[:22]:22} {side:5} {row['ess']:7.0f} {row['gradients']:9.0f} "
                f"{1000 * row['per_gradient']:8.2f} {shown[0]} {row['per_second']:8.0f} "
                f"{shown[1]} {row['z']:5.1f} {row['rhat']:6.3f} {row['divergent']:4.0f} "
                f"{row['compile']:8.1f}",
                flush=True,
            )
            results.append({"posterior": name, "side": side, **row})
        jax.clear_caches()
    for key in ("per_gradient", "per_second"):
        mean = np.exp(np.mean(np.log([ratio[key] for ratio in ratios])))
        print(f"FHL over NUTS {key}: geometric mean {mean:.2f} over {len(ratios)} posteriors")
    if options.json:
        versions = {"jax": jax.__version__, "seeds": options.seeds}
        options.json.write_text(json.dumps({**versions, "results": results}, indent=1))


if __name__ == "__main__":
    main()
