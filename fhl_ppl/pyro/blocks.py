"""`fhl_ppl.pyro.MCMC` drawn in blocks, for `fhl_ppl.run`."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from pyro import poutine
from torch import Tensor

from fhl_ppl._version import __version__
from fhl_ppl.core.control import PYTHON
from fhl_ppl.core.early_end import goes_on_at, may_end
from fhl_ppl.pyro.extract import settings_of_run
from fhl_ppl.pyro.mcmc import MCMC
from fhl_ppl.pyro.run.arrays import on_host
from fhl_ppl.runs.former import Former
from fhl_ppl.runs.identity import digest, settings_of
from fhl_ppl.runs.processes import ALONE
from fhl_ppl.runs.sampling import Block

Array = np.ndarray


class PyroSampling:
    """A run of `mcmc` that has a start for all particles; see `fhl_ppl.runs.sampling.Sampling`.

    Raises
    ------
    TypeError
        If it is another `MCMC`, which starts its chains in processes of their own.
    """

    def __init__(
        self,
        mcmc: MCMC,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        former: Former | None = None,
    ) -> None:
        if not isinstance(mcmc, MCMC):
            raise TypeError(
                f"mcmc must be a fhl_ppl.pyro.MCMC to run in blocks, got {type(mcmc).__module__}."
                f"{type(mcmc).__name__}; it takes the same arguments"
            )
        self._mcmc = mcmc
        with poutine.block(), mcmc._validation(), _warm(mcmc, former):
            self._chains = mcmc._begin(args, kwargs)
        engine = self._chains.engine
        self.warmup_steps, self.num_draws = engine.sampler.num_warmup, mcmc.num_samples
        self.gradients: float = 0
        self.group = self._chains.group
        self.processes = ALONE
        self._particles = len(engine.state.potential_energy)
        self._drawn = self.warmup_done = 0
        self._data = digest((args, kwargs))

    @property
    def warmup_left(self) -> int:
        """Iterations of the warm-up to be done."""
        return max(0, self.warmup_steps - self._chains.engine.iteration)

    def warm_up(self, count: int) -> None:
        """Run so many iterations of the warm-up."""
        with poutine.block(), self._mcmc._validation():
            for _ in range(count):
                self._advance("Warmup", self._chains.engine.iteration)
        self.warmup_done += count

    def hasten(self, block: int) -> None:
        """End the warm-up soon, if nothing else is to be learnt."""
        engine = self._chains.engine
        if engine.tempering():
            return
        sampler, i = engine.sampler, engine.iteration
        learnt, state = on_host(engine.learnt), on_host(engine.state)
        if may_end(sampler, learnt, state, i, PYTHON):
            engine.iteration = goes_on_at(sampler, i, block)

    def draw(self, count: int, stop: Callable[[], bool]) -> Block:
        """Draw so many times, or less if `stop` says so on the way."""
        chains = self._chains
        positions: list[Tensor] = []
        with poutine.block(), self._mcmc._validation():
            while len(positions) < count and not stop():
                self._advance("Sample", self._drawn)
                positions.append(chains.position.clone())
                self._drawn += 1
            if not positions:
                return Block({}, {})
            whole = self._mcmc._constrained(chains, torch.stack(positions, dim=1))
        posterior = {name: value.cpu().numpy() for name, value in whole.items()}
        return Block(posterior, chains.record.take(), whole)

    def sites(self) -> dict[str, Any]:
        """Where the chains are, in the model's own space: [chain, ...] by name."""
        position = self._chains.position.clone()[:, None]
        return {k: x[:, 0] for k, x in self._mcmc._constrained(self._chains, position).items()}

    def on_host(self, arrays: Any) -> Any:
        """The same as NumPy arrays."""
        return on_host(arrays)

    def fold(
        self,
        count: int,
        stop: Callable[[], bool],
        update: Callable[[Any, dict[str, Any]], Any],
        carried: Any,
    ) -> tuple[Any, int]:
        """Run so many iterations, or less if `stop` says so, and take up draws after warm-up."""
        self._chains.forget_draws()
        for done in range(count):
            if stop():
                return carried, done
            if self._chains.is_warming_up:
                self.warm_up(1)
                continue
            with poutine.block(), self._mcmc._validation():
                self._advance("Sample", self._drawn)
                carried = update(carried, self.sites())
            self._drawn += 1
        return carried, count

    def publish(self, blocks: list[Block]) -> None:
        """Let `mcmc` hold the draws of these blocks."""
        names = blocks[0].whole if blocks else {}
        self._mcmc._samples = {
            name: torch.cat([block.whole[name] for block in blocks], dim=1) for name in names
        }
        statistics = blocks[0].sample_stats if blocks else {}
        self._chains.record.put_back(
            {
                name: np.concatenate([block.sample_stats[name] for block in blocks], axis=1)
                for name in statistics
            }
        )

    def identity(self) -> dict[str, Any]:
        """What a run that goes on with this one has to have in common."""
        return {
            "library": "pyro",
            "fhl_ppl": __version__,
            "num_chains": self._mcmc.num_chains,
            **self._chains.settings(),
            **settings_of(asdict(self._mcmc.kernel.options)),
            "save_params": repr(self._mcmc._save_params),
            "data": self._data,
        }

    def settings(self) -> dict[str, Any]:
        """What the sampler was, as attributes of the draws."""
        engine = self._chains.engine
        found = {
            "tuned": engine.report(),
            "parameters": self._chains.parameters(),
            "evaluation": self._chains.evaluation(),
            "tempering": engine.tempering(),
            "inverse_mass_matrix": engine.inverse_mass_matrix(),
        }
        return {
            **settings_of_run(self._mcmc, self._mcmc.kernel.options, found),
            "fhl_ppl_version": __version__,
        }

    def save(self) -> dict[str, Array]:
        """All that the rest of the run depends on."""
        accepted, drawn = self._chains.record.tally
        state = {**self._chains.state_dict(), "accepted": torch.as_tensor(accepted.copy())}
        done = {"drawn": drawn, "warmup_done": self.warmup_done}
        arrays, plain = _taken_apart({**state, **done})
        return {**arrays, "plain": np.array(json.dumps(plain)), **self.former().saved()}

    def former(self) -> Former:
        """Where the chains are, for another run to start from, and the metric."""
        chains = self._chains
        sites = chains.problem.layout.unflatten(chains.position.clone())
        metric = chains.engine.inverse_mass_matrix()
        return Former(
            {name: value.cpu().numpy() for name, value in sites.items()},
            metric if isinstance(metric, np.ndarray) else None,
        )

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Go on from where `save` was called."""
        state = _put_together(arrays, json.loads(str(arrays["plain"])))
        accepted, self._drawn = state.pop("accepted").numpy(), state.pop("drawn")
        self.warmup_done = state.pop("warmup_done")
        with poutine.block(), self._mcmc._validation():
            self._chains.load_state_dict(state)
        array = self._chains.engine.arrays.array
        on_device = torch.as_tensor(accepted, device=self._chains.position.device)
        self._chains.record.tally = array(on_device), self._drawn

    def restored(self, posterior: dict[str, Array], sample_stats: dict[str, Array]) -> Block:
        """Make a block of what was stored of several."""
        device = self._chains.position.device
        whole = {name: torch.as_tensor(x, device=device) for name, x in posterior.items()}
        return Block(posterior, sample_stats, whole)

    def without_companions(self) -> None:
        """Keep no draws of private companions."""
        self._chains.forget_companions()

    def _advance(self, stage: str, number: int) -> None:
        self.gradients += self._particles * self._chains.advance()
        self._mcmc._call_hook(stage, number)


@contextmanager
def _warm(mcmc: MCMC, former: Former | None) -> Iterator[None]:
    """Let a run start from a former one, as if the user had asked for it."""
    given = mcmc._initial_params, mcmc.kernel._inverse_mass_matrix
    if former is not None:
        starts = former.starts(mcmc.num_chains)
        mcmc._initial_params = {name: torch.as_tensor(x) for name, x in starts.items()}
        if former.inverse_mass_matrix is not None:
            mcmc.kernel._inverse_mass_matrix = former.inverse_mass_matrix
    try:
        yield
    finally:
        mcmc._initial_params, mcmc.kernel._inverse_mass_matrix = given


def _taken_apart(tree: Any, path: str = "") -> tuple[dict[str, Array], dict[str, Any]]:
    """All tensors of nested dicts and lists as arrays, and all else, what is empty too, by paths.

    >>> tree = {"a": {"b": torch.ones(2), "c": 0.5}, "d": [torch.zeros(1)], "e": {}}
    >>> arrays, plain = _taken_apart(tree)
    >>> sorted(arrays), plain
    (['a/b', 'd/#0'], {'a/c': 0.5, 'e': {}})
    >>> sorted(_put_together(arrays, plain))
    ['a', 'd', 'e']
    """
    arrays: dict[str, Array] = {}
    plain: dict[str, Any] = {}
    named = tree if isinstance(tree, dict) else {f"#{k}": each for k, each in enumerate(tree)}
    for name, value in named.items():
        here = f"{path}{name}"
        if isinstance(value, Tensor):
            arrays[here] = value.cpu().numpy()
        elif value and isinstance(value, dict | list) and here != "settings":
            below = _taken_apart(value, f"{here}/")
            arrays, plain = arrays | below[0], plain | below[1]
        else:
            plain[here] = value
    return arrays, plain


def _put_together(arrays: Mapping[str, Array], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `_taken_apart`."""
    tree: dict[str, Any] = {}
    theirs = {k: x for k, x in arrays.items() if k != "plain" and not k.startswith("former/")}
    tensors = {name: torch.from_numpy(x) for name, x in theirs.items()}
    for path, value in {**tensors, **plain}.items():
        *above, name = path.split("/")
        node = tree
        for each in above:
            node = node.setdefault(each, {})
        node[name] = value
    return _with_lists(tree)


def _with_lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if tree and all(name.startswith("#") for name in tree):
        return [_with_lists(tree[f"#{k}"]) for k in range(len(tree))]
    return {name: _with_lists(value) for name, value in tree.items()}
