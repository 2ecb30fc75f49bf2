"""`python -m fhl_ppl`: chains on a target with two modes, as a moving picture.

It runs the algorithm of `fhl_ppl.core` on NumPy, so it needs no other library. Beside it run as
many chains of NumPyro's NUTS from the same starts, if NumPyro is there.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fhl_ppl._extras import require
from fhl_ppl.core import warmup
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.groups import make_groups
from fhl_ppl.core.learners.chart import for_users
from fhl_ppl.core.moves import UNIFORMS
from fhl_ppl.core.sampler import make_sampler, step
from fhl_ppl.core.state import Draws
from fhl_ppl.core.target import Plain, state_at
from fhl_ppl.options import Options

Array = np.ndarray

MEANS = np.array([[-4.0, -1.0], [4.0, 1.0]])
SCALES = np.array([1.0, 0.6])
WEIGHTS = np.array([0.3, 0.7])
EXTENT = (-8.0, 8.0, -4.0, 4.0)
NUM_CHAINS, NUM_WARMUP = 8, 100
SHADES = " .:-"


class Frame(NamedTuple):
    """Chains in an iteration: positions [chain, 2], who leads, and what they found so far.

    `share` is that of all positions after the warm-up that were in the right mode, and nan before.
    """

    iteration: int
    position: Array
    leads: Array
    share: float


def potential_and_gradient(q: Array) -> tuple[Array, Array]:
    """U and its gradient at each of [chain, 2]."""
    apart = (q[:, None] - MEANS) / SCALES[:, None]
    log_density = np.log(WEIGHTS / SCALES**2) - 0.5 * (apart**2).sum(axis=-1)
    highest = log_density.max(axis=1, keepdims=True)
    density = np.exp(log_density - highest)
    potential = -np.log(density.sum(axis=1)) - highest[:, 0]
    share = density / density.sum(axis=1, keepdims=True)
    return potential, (share[..., None] * apart / SCALES[:, None]).sum(axis=1)


def starts(seed: int) -> Array:
    """Where all begin, [chain, 2]: as many chains to the left as to the right."""
    rng = np.random.default_rng(seed)
    side = np.where(np.arange(NUM_CHAINS) % 2, 5.0, -5.0)
    return np.stack([side, np.zeros(NUM_CHAINS)], axis=1) + rng.normal(size=(NUM_CHAINS, 2))


def follow_leaders(seed: int, num_iterations: int) -> list[Frame]:
    """Run FHL, with the defaults of the kernels."""
    rng = np.random.default_rng(seed)
    dim = MEANS.shape[1]
    options = Options()
    sampler = make_sampler(options.plan(NUM_WARMUP, dim), options.coupling)
    target = Plain(potential_and_gradient)
    state = state_at(target, starts(seed))
    groups = make_groups(NUM_CHAINS, options.group_size, like=state.position)
    learnt = warmup.start(sampler, state, np.asarray(options.step_size), np.eye(dim))
    positions, leads = [], []
    for iteration in range(NUM_WARMUP + num_iterations):
        draws = Draws(
            noise=rng.standard_normal((NUM_CHAINS, dim)),
            role=rng.random(NUM_CHAINS),
            accept=rng.random(NUM_CHAINS),
            strength=rng.random(NUM_CHAINS),
            extra=rng.random((NUM_CHAINS, UNIFORMS)),
        )
        # Particles far out overflow, which is what their rejection is made of.
        with np.errstate(all="ignore"):
            state, learnt, info, _ = step(
                sampler, groups, state, learnt, np.asarray(iteration), draws, target, PYTHON
            )
        positions.append(for_users(learnt, state, PYTHON).position)
        leads.append(info.is_leader)
    return frames(np.array(positions), np.array(leads))


def without_leaders(seed: int, num_iterations: int) -> list[Frame]:
    """Run NumPyro's NUTS, with its defaults."""
    import jax
    import jax.numpy as jnp
    from numpyro.infer import MCMC, NUTS

    def potential(q: Any) -> Any:
        apart = (q - MEANS) / SCALES[:, None]
        logs = jnp.log(WEIGHTS / SCALES**2) - 0.5 * (apart**2).sum(axis=-1)
        return -jax.scipy.special.logsumexp(logs)

    mcmc = MCMC(
        NUTS(potential_fn=potential),
        num_warmup=NUM_WARMUP,
        num_samples=num_iterations,
        num_chains=NUM_CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )
    start = jnp.asarray(starts(seed))
    mcmc.warmup(jax.random.key(seed), init_params=start, collect_warmup=True)
    phases = [mcmc.get_samples(group_by_chain=True)]
    mcmc.run(mcmc.post_warmup_state.rng_key, init_params=start)
    phases.append(mcmc.get_samples(group_by_chain=True))
    positions = np.concatenate([np.asarray(phase) for phase in phases], axis=1)
    return frames(positions.swapaxes(0, 1), np.zeros(positions.shape[1::-1], bool))


def frames(positions: Array, leads: Array) -> list[Frame]:
    """Take [iteration, chain, 2] and [iteration, chain] apart."""
    right = positions[..., 0] > 0
    shares = np.full(len(positions), np.nan)
    drawn = right[NUM_WARMUP:].mean(axis=1)
    shares[NUM_WARMUP:] = np.cumsum(drawn) / (1 + np.arange(len(drawn)))
    return [Frame(k, positions[k], leads[k], float(shares[k])) for k in range(len(positions))]


def shown(every: int, runs: dict[str, list[Frame]]) -> Iterator[dict[str, Frame]]:
    """Every so many iterations what each sampler has come to, the first and the last among them."""
    length = min(map(len, runs.values()))
    for k in sorted({*range(0, length, every), length - 1}):
        yield {name: run[k] for name, run in runs.items()}


def caption(name: str, frame: Frame) -> str:
    """One line on a frame."""
    if np.isnan(frame.share):
        return f"{name}, warm-up {frame.iteration + 1}"
    told = f"{frame.share:.0%} right ({WEIGHTS[1]:.0%})"
    return f"{name}, draw {frame.iteration + 1 - NUM_WARMUP}: {told}"


def density(width: int, height: int) -> Array:
    """The density where characters or pixels are, [height, width], as a share of the highest."""
    x = np.linspace(*EXTENT[:2], width)
    y = np.linspace(EXTENT[3], EXTENT[2], height)
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    potential, _ = potential_and_gradient(places)
    return np.exp(potential.min() - potential).reshape(height, width)


def as_text(frame: Frame, background: Array) -> list[str]:
    """Lines of characters: a chain is an o, a leader a star."""
    height, width = background.shape
    level = np.digitize(background, [0.002, 0.05, 0.4])
    lines = [[SHADES[each] for each in row] for row in level]
    for is_leader in (False, True):
        for x, y in frame.position[frame.leads == is_leader]:
            column = round((x - EXTENT[0]) / (EXTENT[1] - EXTENT[0]) * (width - 1))
            row = round((EXTENT[3] - y) / (EXTENT[3] - EXTENT[2]) * (height - 1))
            if 0 <= row < height and 0 <= column < width:
                lines[row][column] = "*" if is_leader else "o"
    return ["".join(line) for line in lines]


def play(runs: dict[str, list[Frame]], every: int, delay: float) -> None:
    """Print frames, one over the other in a terminal."""
    background = density(width=38, height=15)
    in_place = sys.stdout.isatty()
    lines: list[str] = []
    for moment in shown(every, runs):
        if in_place and lines:
            sys.stdout.write(f"\x1b[{len(lines)}A")
        heads = "   ".join(f"{caption(name, frame):<38}" for name, frame in moment.items())
        bodies = zip(*(as_text(frame, background) for frame in moment.values()), strict=True)
        lines = [heads, *("   ".join(each) for each in bodies), ""]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        time.sleep(delay if in_place else 0.0)


def save(runs: dict[str, list[Frame]], every: int, path: Path) -> None:
    """Write the frames to a GIF."""
    require("plots", "matplotlib")
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.animation import FuncAnimation, PillowWriter

    figure, axes = plt.subplots(1, len(runs), figsize=(4.2 * len(runs), 2.6), squeeze=False)
    marks = []
    for ax in axes[0]:
        ax.imshow(density(160, 80) ** 0.4, extent=EXTENT, cmap="Greys", alpha=0.6, aspect="auto")
        (chains,) = ax.plot([], [], "o", color="tab:blue", markersize=6)
        (heads,) = ax.plot([], [], "*", color="tab:orange", markersize=13)
        ax.set(xlim=EXTENT[:2], ylim=EXTENT[2:], xticks=[], yticks=[])
        marks.append((ax, chains, heads))
    figure.tight_layout(rect=(0, 0, 1, 0.93))

    def draw(moment: dict[str, Frame]) -> None:
        for (ax, chains, heads), (name, frame) in zip(marks, moment.items(), strict=True):
            chains.set_data(*frame.position[~frame.leads].T)
            heads.set_data(*frame.position[frame.leads].T)
            ax.set_title(caption(name, frame), fontsize=10)

    path.parent.mkdir(parents=True, exist_ok=True)
    moments = list(shown(every, runs))
    FuncAnimation(figure, draw, moments).save(path, PillowWriter(fps=8), dpi=80)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m fhl_ppl",
        description="Eight chains on two modes, the right one with 70% of the mass: FHL, with a "
        "star for the leader of each group of four, beside NumPyro's NUTS if that is installed.",
    )
    parser.add_argument("--gif", type=Path, help="write a GIF here instead (needs matplotlib)")
    parser.add_argument("--draws", type=int, default=400, help="after a warm-up of 100")
    parser.add_argument("--every", type=int, default=5, help="iterations from frame to frame")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.08, help="seconds between frames")
    parser.add_argument("--no-nuts", action="store_true", help="FHL alone, without compiling")
    parser.add_argument("--smoke", action="store_true", help="a few frames, to see that it runs")
    given = parser.parse_args(arguments)
    if given.smoke:
        given.draws, given.every, given.delay = 20, 40, 0.0
    runs = {"FHL": follow_leaders(given.seed, given.draws)}
    if not given.no_nuts:
        try:
            runs["NUTS"] = without_leaders(given.seed, given.draws)
        except ModuleNotFoundError:
            sys.stdout.write("NumPyro is not installed, so there is no NUTS beside.\n")
    if given.gif:
        save(runs, given.every, given.gif)
        sys.stdout.write(f"Picture: {given.gif}\n")
    else:
        play(runs, given.every, given.delay)


if __name__ == "__main__":
    main()
