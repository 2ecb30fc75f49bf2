"""Data of the simulated posteriors, written to data/: `python -m benchmarks.posteriors.simulate`.

The files are kept, since random numbers may differ from one version of NumPy to the next.
"""

import numpy as np

from benchmarks.posteriors import HERE


def raw_regression(random):
    rows = 120
    income = random.lognormal(10, 0.6, rows) / 10
    age = random.uniform(20, 80, rows)
    share = random.beta(2, 5, rows)
    children = random.poisson(1.5, rows)
    distance = random.gamma(2, 300, rows)
    x = np.stack([income, age, share, children, distance, age * share], 1)
    slope = np.array([0.004, -0.3, 25.0, 2.0, -0.01, 0.5])
    return {"x": x, "y": 40 + x @ slope + random.normal(0, 8, rows)}


def overdispersed_counts(random):
    rows = 150
    x = random.normal(size=(rows, 5))
    x[:, 1] = 0.9 * x[:, 0] + 0.4 * x[:, 1]
    exposure = random.uniform(0.5, 10, rows)
    rate = exposure * np.exp(0.5 + x @ np.array([0.5, -0.3, 0.2, 0.0, 0.1]))
    return {"x": x, "exposure": exposure, "y": random.poisson(rate * random.gamma(3, 1 / 3, rows))}


def absorption(random):
    time = np.array([0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24])
    absorbed, eliminated, volume, dose = 1.2, 0.15, 30.0, 400.0
    path = np.exp(-eliminated * time) - np.exp(-absorbed * time)
    level = dose * absorbed / volume / (absorbed - eliminated) * path
    return {"time": time, "dose": np.array(dose), "y": level * random.lognormal(0, 0.15, len(time))}


def latent_counts(random):
    x = np.zeros(300)
    for i in range(1, len(x)):
        x[i] = 0.9 * x[i - 1] + 0.3 * random.normal()
    return {"y": random.poisson(np.exp(1 + x))}


def ordered_mixture(random):
    label = random.choice(3, 250, p=[0.3, 0.5, 0.2])
    centre, spread = np.array([-2.0, 0.5, 3.0]), np.array([0.6, 0.9, 0.5])
    return {"y": random.normal(centre[label], spread[label])}


def spatial_counts(random):
    place = random.uniform(0, 1, (60, 2))
    apart = np.sqrt(((place[:, None] - place) ** 2).sum(-1))
    covariance = 0.7**2 * np.exp(-apart / 0.3) + 1e-9 * np.eye(len(place))
    return {
        "place": place,
        "y": random.poisson(np.exp(1.2 + random.multivariate_normal(np.zeros(60), covariance))),
    }


def survival(random):
    rows = 200
    x = random.normal(size=(rows, 4))
    scale = np.exp(2 + x @ np.array([0.4, -0.2, 0.0, 0.3]))
    time, end = scale * random.weibull(1.5, rows), random.uniform(2, 20, rows)
    return {"x": x, "time": np.minimum(time, end), "died": time < end}


SIMULATED = (
    raw_regression,
    overdispersed_counts,
    absorption,
    latent_counts,
    ordered_mixture,
    spatial_counts,
    survival,
)


def main():
    for seed, simulate in enumerate(SIMULATED):
        data = simulate(np.random.default_rng(seed))
        np.savez_compressed(HERE / "data" / f"sim-{simulate.__name__}.npz", **data)


if __name__ == "__main__":
    main()
