"""Small Pyro models of many kinds.

``MODELS[name]`` is a zero-argument model; ``LOOP`` names those that no batching can handle. All
data are fixed, so that every process sees the same models. They follow Torch's default dtype.
"""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from pyro.distributions.transforms import AffineTransform
from pyro.infer import config_enumerate

MODELS: dict[str, Callable[[], Any]] = {}

LOOP = {"python_branch", "python_item"}

SCHOOLS = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]
SCHOOLS_SIGMA = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]


def add(model: Callable[[], Any]) -> Callable[[], Any]:
    MODELS[model.__name__] = model
    return model


def wave(*shape: int, seed: float = 0.0) -> torch.Tensor:
    """Fixed numbers between -1.5 and 1.5 that look irregular."""
    steps = torch.arange(int(torch.Size(shape).numel()))
    return (1.5 * torch.sin(12.9898 * steps + 78.233 * seed + 1)).reshape(shape).to(number(0.0))


def number(value: Any) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.get_default_dtype())


def eight_schools(centred: bool) -> None:
    mu = pyro.sample("mu", dist.Normal(number(0.0), 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(number(5.0)))
    with pyro.plate("schools", 8):
        if centred:
            theta = pyro.sample("theta", dist.Normal(mu, tau))
        else:
            raw = pyro.sample("raw", dist.Normal(number(0.0), 1.0))
            theta = pyro.deterministic("theta", mu + tau * raw)
        pyro.sample("y", dist.Normal(theta, number(SCHOOLS_SIGMA)), obs=number(SCHOOLS))


@add
def eight_schools_centred():
    eight_schools(True)


@add
def eight_schools_noncentred():
    eight_schools(False)


@add
def logistic():
    w = pyro.sample("w", dist.Normal(torch.zeros(3), 1.0).to_event(1))
    with pyro.plate("data", 20):
        y = (wave(20, seed=1) > 0).to(w)
        pyro.sample("y", dist.Bernoulli(logits=wave(20, 3) @ w), obs=y)


@add
def nested_plates():
    scale = pyro.sample("scale", dist.LogNormal(number(0.0), 1.0))
    noise = pyro.sample("noise", dist.Exponential(number(1.0)))
    with pyro.plate("outer", 3):
        mean = pyro.sample("mean", dist.Normal(number(0.0), scale))
        with pyro.plate("inner", 4):
            x = pyro.sample("x", dist.StudentT(5.0, mean, noise))
            pyro.sample("y", dist.Normal(x, 1.0), obs=wave(4, 3))


@add
def lkj_mvn():
    sigma = pyro.sample("sigma", dist.HalfNormal(torch.ones(3)).to_event(1))
    corr = pyro.sample("corr", dist.LKJCholesky(3, number(2.0)))
    with pyro.plate("data", 5):
        scale_tril = sigma[:, None] * corr
        pyro.sample(
            "y", dist.MultivariateNormal(torch.zeros(3), scale_tril=scale_tril), obs=wave(5, 3)
        )


@add
@config_enumerate
def mixture_enumerated():
    weights = pyro.sample("weights", dist.Dirichlet(torch.ones(2)))
    with pyro.plate("components", 2):
        loc = pyro.sample("loc", dist.Normal(number(0.0), 3.0))
    with pyro.plate("data", 12):
        z = pyro.sample("z", dist.Categorical(weights))
        pyro.sample("y", dist.Normal(loc[z], 1.0), obs=2 * wave(12))


@add
@config_enumerate
def hmm_enumerated():
    rows = dist.Dirichlet(torch.ones(2, 2)).to_event(1)
    transition = pyro.sample("transition", rows)
    loc = pyro.sample("loc", dist.Normal(number([-1.0, 1.0]), 1.0).to_event(1))
    z = torch.tensor(0)
    for t in pyro.markov(range(6)):
        z = pyro.sample(f"z{t}", dist.Categorical(transition[z]))
        pyro.sample(f"y{t}", dist.Normal(loc[z], 1.0), obs=wave(6)[t])


@add
def factor_only():
    x = pyro.sample("x", dist.Normal(number(0.0), 10.0))
    y = pyro.sample("y", dist.Normal(number(0.0), 10.0))
    pyro.factor("banana", -((1 - x) ** 2) - 5 * (y - x**2) ** 2)


@add
def dirichlet_multinomial():
    p = pyro.sample("p", dist.Dirichlet(number([1.0, 2.0, 3.0])))
    pyro.sample("y", dist.Multinomial(10, p), obs=number([2.0, 0.0, 8.0]))


@add
def horseshoe():
    tau = pyro.sample("tau", dist.HalfCauchy(number(1.0)))
    with pyro.plate("features", 4):
        lam = pyro.sample("lam", dist.HalfCauchy(number(1.0)))
        beta = pyro.sample("beta", dist.Normal(number(0.0), tau * lam))
    pyro.sample("y", dist.Normal(wave(10, 4) @ beta, 0.5).to_event(1), obs=wave(10, seed=2))


@add
def gaussian_process():
    x = torch.linspace(0.0, 3.0, 8)
    length = pyro.sample("length", dist.Gamma(number(4.0), 4.0))
    amplitude = pyro.sample("amplitude", dist.HalfNormal(number(1.0)))
    noise = pyro.sample("noise", dist.HalfNormal(number(1.0)))
    kernel = amplitude**2 * torch.exp(-0.5 * ((x[:, None] - x) / length) ** 2)
    cov = kernel + (noise**2 + 1e-3) * torch.eye(8)
    pyro.sample("y", dist.MultivariateNormal(torch.zeros(8), cov), obs=wave(8))


@add
def gaussian_process_by_hand():
    x = torch.linspace(0.0, 2.0, 5)
    length = pyro.sample("length", dist.LogNormal(number(0.0), 0.5))
    cov = torch.exp(-((x[:, None] - x) ** 2) / length) + 0.1 * torch.eye(5)
    y = wave(5)
    log_det = 2 * torch.linalg.cholesky(cov).diagonal().log().sum()
    quadratic = y @ torch.linalg.solve(cov, y) + y @ cov.inverse() @ y
    pyro.factor("likelihood", -0.5 * (log_det + quadratic))


@add
def bayesian_network():
    w1 = pyro.sample("w1", dist.Normal(torch.zeros(2, 4), 1.0).to_event(2))
    b1 = pyro.sample("b1", dist.Normal(torch.zeros(4), 1.0).to_event(1))
    w2 = pyro.sample("w2", dist.Normal(torch.zeros(4, 1), 1.0).to_event(2))
    hidden = torch.tanh(wave(15, 2) @ w1 + b1)
    with pyro.plate("data", 15):
        pyro.sample("y", dist.Normal((hidden @ w2).squeeze(-1), 0.3), obs=wave(15, seed=3))


@add
def stochastic_volatility():
    sigma = pyro.sample("sigma", dist.Exponential(number(10.0)))
    nu = pyro.sample("nu", dist.Exponential(number(0.1)))
    state = number(0.0)
    for t, y in enumerate(wave(8)):
        state = pyro.sample(f"state{t}", dist.Normal(state, sigma))
        pyro.sample(f"y{t}", dist.StudentT(nu, 0.0, torch.exp(state)), obs=y)


@add
def garch():
    a0 = pyro.sample("a0", dist.HalfNormal(number(1.0)))
    a1 = pyro.sample("a1", dist.Uniform(number(0.0), 1.0))
    b1 = pyro.sample("b1", dist.Uniform(number(0.0), 1.0))
    y = wave(10)
    variance = [number(1.0)]
    for t in range(9):
        variance.append(a0 + a1 * y[t] ** 2 + (1 - a1) * b1 * variance[-1])
    scale = torch.stack(variance).sqrt()
    pyro.sample("y", dist.Normal(0.0, scale).to_event(1), obs=y)


class Flat(dist.ImproperUniform):
    """An ImproperUniform that can be drawn from, as Pyro's set-up of a model requires."""

    def expand(self, batch_shape, _instance=None):
        return Flat(self.support, torch.Size(batch_shape), self.event_shape)

    def sample(self, sample_shape=()):
        transform = dist.transforms.biject_to(self.support)
        shape = (*sample_shape, *self.batch_shape, *self.event_shape)
        return transform(torch.zeros(transform.inverse_shape(shape)))


@add
def improper_ordered():
    cut = pyro.sample("cut", Flat(constraints.ordered_vector, (), (3,)))
    pyro.sample("y", dist.Normal(cut, 1.0).to_event(1), obs=number([-1.0, 0.0, 2.0]))


@add
def transformed():
    prior = dist.TransformedDistribution(
        dist.Normal(torch.zeros(2), 1.0), [AffineTransform(1.0, 3.0)]
    )
    x = pyro.sample("x", prior.to_event(1))
    pyro.sample("y", dist.Normal(x.sum(), 1.0), obs=number(2.5))


@add
def ordered_logistic():
    slope = pyro.sample("slope", dist.Normal(number(0.0), 1.0))
    gaps = pyro.sample("gaps", dist.Exponential(torch.ones(2)).to_event(1))
    cuts = torch.cumsum(gaps, -1) - 1.0
    with pyro.plate("data", 9):
        y = torch.arange(9) % 3
        pyro.sample("y", dist.OrderedLogistic(wave(9) * slope, cuts), obs=y)


@add
def beta_binomial():
    a = pyro.sample("a", dist.Gamma(number(2.0), 1.0))
    b = pyro.sample("b", dist.Gamma(number(2.0), 1.0))
    with pyro.plate("batters", 4):
        y = number([1.0, 4.0, 0.0, 7.0])
        pyro.sample("y", dist.BetaBinomial(a, b, total_count=10), obs=y)


@add
def beta_sites():
    with pyro.plate("groups", 3):
        p = pyro.sample("p", dist.Beta(number(2.0), 2.0))
        pyro.sample("y", dist.Binomial(7, p), obs=number([0.0, 3.0, 7.0]))


@add
def poisson_exposure():
    rate = pyro.sample("rate", dist.Gamma(number(2.0), 1.0))
    effect = pyro.sample("effect", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    exposure = torch.linspace(1.0, 4.0, 7)
    mean = exposure * rate * torch.exp(wave(7, 2) @ effect)
    with pyro.plate("data", 7):
        pyro.sample("y", dist.Poisson(mean), obs=number([0.0, 2.0, 1.0, 5.0, 3.0, 0.0, 9.0]))


@add
def zero_inflated():
    gate = pyro.sample("gate", dist.Beta(number(1.0), 1.0))
    rate = pyro.sample("rate", dist.Exponential(number(0.5)))
    with pyro.plate("data", 6):
        y = number([0.0, 0.0, 3.0, 1.0, 0.0, 4.0])
        pyro.sample("y", dist.ZeroInflatedPoisson(rate, gate=gate), obs=y)


@add
def masked_and_scaled():
    loc = pyro.sample("loc", dist.Normal(torch.zeros(4), 1.0).to_event(1))
    mask = torch.tensor([True, False, True, True])
    with pyro.poutine.scale(scale=2.0), pyro.plate("data", 4), pyro.poutine.mask(mask=mask):
        pyro.sample("y", dist.Normal(loc, 1.0), obs=wave(4))


@add
def in_place():
    """Fills a fresh tensor in place, with a mask and by accumulation."""
    x = pyro.sample("x", dist.Normal(torch.zeros(3), 1.0).to_event(1))
    clipped = x * 1.0
    clipped[x < 0] = 0.0
    total = torch.zeros(3)
    total = total + clipped
    total += x**2
    pyro.factor("likelihood", -total.sum())


# Built once and shared by all executions, with attributes that are computed at first use.
SHARED_PRIOR = dist.MultivariateNormal(
    torch.zeros(3, dtype=torch.float64),
    covariance_matrix=torch.eye(3, dtype=torch.float64) + 0.3,
)


@add
def shared_distribution():
    x = pyro.sample("x", SHARED_PRIOR)
    pyro.factor("likelihood", -(SHARED_PRIOR.precision_matrix.to(x) @ x).exp().sum())


@add
def unused_site():
    """The density is flat in one of the sites, once it is transformed."""
    pyro.sample("flat", Flat(constraints.real, (), ()))
    x = pyro.sample("x", dist.Normal(number(0.0), 1.0))
    pyro.sample("y", dist.Normal(x, 1.0), obs=number(0.3))


@add
def python_branch():
    x = pyro.sample("x", dist.Normal(number(0.0), 1.0))
    scale = 2.0 if x > 0 else 0.5
    pyro.sample("y", dist.Normal(x, scale), obs=number(0.3))


@add
def python_item():
    x = pyro.sample("x", dist.Normal(number(0.0), 1.0))
    shift = 0.1 * int(x.abs().item())
    pyro.sample("y", dist.Normal(x + shift, 1.0), obs=number(0.3))
