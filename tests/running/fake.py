"""A run in blocks of which everything is known: chains that depend on their own past."""

import json

import numpy as np

from fhl_ppl.runs.former import Former
from fhl_ppl.runs.processes import ALONE
from fhl_ppl.runs.sampling import Block


class FakeSampling:
    """Chains of lag-one correlation `memory`, each moved by `offset` [chain] for good.

    Keeps the lengths of all blocks, and of all that was published the draws.
    """

    def __init__(self, num_chains=8, memory=0.0, offset=0.0, warmup=200, num_draws=1000, seed=0):
        self.rng = np.random.default_rng(seed)
        self.warmup_steps = self.warmup_left = warmup
        self.warmup_done = 0
        self.num_draws, self.gradients = num_draws, 0
        self.group = np.arange(num_chains) // 4
        self.processes = ALONE
        self.memory, self.offset = memory, offset * np.ones(num_chains)
        self.x = self.rng.standard_normal(num_chains)
        self.warmups, self.lengths, self.published = [], [], []

    def warm_up(self, count):
        self.warmups.append(count)
        self.warmup_left -= count
        self.warmup_done += count
        self.gradients += count * len(self.x)

    def hasten(self, block):
        """As soon as half is done there is one block left."""
        if self.warmup_done >= self.warmup_steps / 2:
            self.warmup_left = min(block, self.warmup_left)

    def draw(self, count, stop):
        draws = []
        while len(draws) < count and not stop():
            noise = self.rng.standard_normal(len(self.x))
            self.x = self.memory * self.x + np.sqrt(1 - self.memory**2) * noise
            draws.append(self.x + self.offset)
            self.gradients += len(self.x)
        self.lengths.append(len(draws))
        x = np.stack(draws, axis=1)
        still = np.zeros((*x.shape, 2))
        return Block({"x": x, "still": still}, {"lp": -(x**2) / 2})

    def sites(self):
        return {"x": self.x + self.offset, "still": np.zeros((len(self.x), 2))}

    def on_host(self, arrays):
        return arrays

    def fold(self, count, stop, update, carried):
        """As long as there is warm-up left, do that."""
        if self.warmup_left:
            self.warm_up(count)
            return carried, count
        block = self.draw(count, stop).posterior
        for k in range(block["x"].shape[1]):
            carried = update(carried, {name: x[:, k] for name, x in block.items()})
        return carried, block["x"].shape[1]

    def former(self):
        return Former({"x": self.x}, None)

    def identity(self):
        return {"num_chains": len(self.x), "memory": self.memory, "shape": (1, 2)}

    def settings(self):
        return {"sampler": "fake"}

    def save(self):
        rng = json.dumps(self.rng.bit_generator.state)
        return {
            "x": self.x,
            "rng": np.array(rng),
            "warmup_left": np.array([self.warmup_left, self.warmup_done]),
        }

    def load(self, arrays):
        self.x = arrays["x"]
        self.warmup_left, self.warmup_done = map(int, arrays["warmup_left"])
        self.rng.bit_generator.state = json.loads(str(arrays["rng"]))

    def restored(self, posterior, sample_stats):
        return Block(posterior, sample_stats)

    def publish(self, blocks):
        draws = [block.posterior.get("x", block.posterior.get("still")) for block in blocks]
        self.published.append(np.concatenate(draws, axis=1) if blocks else None)
