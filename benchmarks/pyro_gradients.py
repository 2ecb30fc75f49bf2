"""Ways in which Pyro models are often written: what a gradient costs FHL, and NUTS.

    python -m benchmarks.pyro_gradients [NAME ...]

first_s: until the first gradients are there (recording and checks), 4 particles. ms_4, ms_64: one
call for all of 4 or 64 particles, after 150 calls. NUTS: one gradient of one chain by
``pyro.ops.integrator.potential_grad``, which `pyro.infer.NUTS` calls. Medians, taken in turns; one
thread.
"""

import argparse
import time
import warnings
from statistics import median

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule, PyroSample
from pyro.ops.integrator import potential_grad

from fhl_ppl.pyro.batching.potential import BatchedPotential
from fhl_ppl.pyro.model.problem import problem_from_model

LOG = []


class Network(PyroModule):
    """A Bayesian network of one hidden layer, with priors by `PyroSample`."""

    def __init__(self, inputs: int = 2, hidden: int = 8) -> None:
        super().__init__()
        self.first = PyroModule[torch.nn.Linear](inputs, hidden)
        self.second = PyroModule[torch.nn.Linear](hidden, 1)
        for layer in (self.first, self.second):
            for name in ("weight", "bias"):
                shape = getattr(layer, name).shape
                prior = dist.Normal(0.0, 1.0).expand(shape).to_event(len(shape))
                setattr(layer, name, PyroSample(prior))

    def forward(self, x, y):
        mean = self.second(torch.tanh(self.first(x))).squeeze(-1)
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(mean, 0.3), obs=y)


def plate_loop(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    for i in pyro.plate("data", len(y)):
        pyro.sample(f"y{i}", dist.Normal(mu, 1.0), obs=y[i])


def time_steps(y):
    sigma = pyro.sample("sigma", dist.Exponential(10.0))
    nu = pyro.sample("nu", dist.Exponential(0.1))
    state = torch.tensor(0.0)
    for t in range(len(y)):
        state = pyro.sample(f"state{t}", dist.Normal(state, sigma))
        pyro.sample(f"y{t}", dist.StudentT(nu, 0.0, torch.exp(state)), obs=y[t])


def logging(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    assert not torch.isnan(mu)
    LOG.append(float(mu))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def logistic(x, y):
    w = pyro.sample("w", dist.Normal(torch.zeros(x.shape[1]), 1.0).to_event(1))
    with pyro.plate("data", len(y)):
        pyro.sample("y", dist.Bernoulli(logits=x @ w), obs=y)


def models():
    x = torch.randn(50_000, 10)
    return {
        "BNN by PyroSample": (Network(), x[:50, :2], torch.sin(x[:50, 0])),
        "plate loop, 30 rows": (plate_loop, x[:30, 0]),
        "50 time steps": (time_steps, x[:50, 0]),
        "assert and float() for a log": (logging, x[:50, 0]),
        "logistic, 50,000 x 10": (logistic, x, (x[:, 1] > 0).float()),
    }


def measure(model, *args):
    pyro.set_rng_seed(0)
    problem = problem_from_model(model, args, num_particles=64)
    few = problem.position[:4].clone()
    potential = BatchedPotential(problem.potential_fn, problem.layout)
    before = time.perf_counter()
    potential.energy_and_gradient(few)
    row = {"rung": potential.rung, "first_s": time.perf_counter() - before}
    calls = {
        "ms_4": lambda: potential.energy_and_gradient(few),
        "ms_64": lambda: potential.energy_and_gradient(problem.position),
        "NUTS": lambda: potential_grad(problem.potential_fn, problem.layout.unflatten(few[0])),
    }
    with pyro.validation_enabled(False):
        for name in ("ms_4", "ms_64"):
            start = time.perf_counter()
            for _ in range(150):
                calls[name]()
                if time.perf_counter() - start > 20:
                    break
        times = {name: [] for name in calls}
        for _ in range(15):
            for name, call in calls.items():
                before = time.perf_counter()
                call()
                times[name].append(1e3 * (time.perf_counter() - before))
    return row | {name: median(each) for name, each in times.items()}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="parts of the models' names")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    # Torch is slow to import what it needs for the first record.
    measure(plate_loop, torch.zeros(1))
    columns = ["first_s", "ms_4", "ms_64", "NUTS"]
    print("| model | rung |", " | ".join(columns), "|")
    print("|---" * (len(columns) + 2) + "|")
    for name, (model, *args) in models().items():
        if not options.names or any(part in name for part in options.names):
            row = measure(model, *args)
            print(f"| {name} | {row['rung']} |", *(f"{row[c]:.2f} |" for c in columns), flush=True)


if __name__ == "__main__":
    main()
