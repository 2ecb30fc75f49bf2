"""`MCMC` for Pyro with all chains in one process: one batched gradient moves them all."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.infer.mcmc.api import AbstractMCMC
from pyro.infer.mcmc.util import diagnostics, print_summary, select_samples
from pyro.util import optional
from torch import Tensor

from fhl_ppl._docs import filled
from fhl_ppl.arguments import real
from fhl_ppl.core.statistics import MEANINGS
from fhl_ppl.pyro.checks import check_mcmc_arguments, count
from fhl_ppl.pyro.kernel import FHL
from fhl_ppl.pyro.model.layout import NothingToSample
from fhl_ppl.pyro.model.starts import expanded
from fhl_ppl.pyro.run.chains import Chains, check_state, constrained
from fhl_ppl.pyro.run.progress import Progress

_FEWEST_DRAWS = 4  # that R-hat of split chains can be computed from


class MCMC(AbstractMCMC):
    """Run `num_chains` particles as chains, in one process.

    Takes the arguments of ``pyro.infer.MCMC`` and has its methods.

    Parameters
    ----------
    kernel : FHL
    num_samples : int
        Draws of each chain, after the warm-up.
    warmup_steps : int, optional
        Default: `num_samples`.
    initial_params : dict of str to Tensor, optional
        Unconstrained starting values with a leading axis of chains, or without it to start all at
        the same place. Necessary with a `potential_fn`, then with that axis if there are several.
    num_chains : int, default 1
        N. They form groups of the kernel's `group_size`, in order, as equal as possible. A single
        chain gets ``group_size - 1`` private companions, which are not reported.
    hook_fn : callable, optional
        Called as ``hook_fn(kernel, samples, stage, i)`` after every iteration, with the
        unconstrained sites of all chains, without that axis if there is one chain, and the stage
        "Warmup" or "Sample".
    mp_context : str, optional
        Has no effect, as there are no processes to start; warns.
    disable_progbar : bool, default False
    disable_validation : bool or None, default True
        Whether validation is off during the run; None leaves it as it is. Within the evaluation
        of the model it is off in any case, as it cannot be batched.
    transforms : dict, optional
        To report sites through other transforms than the kernel's.
    save_params : list of str, optional
        Sites to keep. Default: all.
    chain_method : str, default "vectorized"
        The only one there is; for processes use ``pyro.infer.MCMC``.
    keep_warmup : bool, default False
        Whether to keep the statistics of the warm-up's iterations, as `diagnostics` has them under
        "warmup" and `fhl_ppl.plots` draws them.

    Attributes
    ----------
    kernel, num_samples, warmup_steps, num_chains, transforms
        As given; `transforms` from the kernel after a run.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be; from `run`, if a chain cannot start (the message
        names the site).

    Examples
    --------
    >>> import pyro.distributions as dist
    >>> def model(y):
    ...     mu = pyro.sample("mu", dist.Normal(0.0, 10.0))
    ...     with pyro.plate("data", len(y)):
    ...         pyro.sample("y", dist.Normal(mu, 1.0), obs=y)
    >>> pyro.set_rng_seed(0)
    >>> mcmc = MCMC(FHL(model), num_samples=100, num_chains=16, disable_progbar=True)
    >>> mcmc.run(torch.tensor([1.0, 2.0, 3.0]))
    >>> mcmc.get_samples(group_by_chain=True)["mu"].shape
    torch.Size([16, 100])
    >>> round(mcmc.get_samples()["mu"].mean().item(), 1)
    2.0
    """

    def __init__(
        self,
        kernel: FHL,
        num_samples: int,
        warmup_steps: int | None = None,
        initial_params: Mapping[str, Tensor] | None = None,
        num_chains: int = 1,
        hook_fn: Callable[[FHL, dict[str, Tensor], str, int], Any] | None = None,
        mp_context: str | None = None,
        disable_progbar: bool = False,
        disable_validation: bool | None = True,
        transforms: dict[str, Any] | None = None,
        save_params: Sequence[str] | None = None,
        *,
        chain_method: str = "vectorized",
        keep_warmup: bool = False,
    ) -> None:
        if not isinstance(kernel, FHL):
            raise TypeError(
                f"kernel must be an fhl_ppl.pyro.FHL, got {type(kernel).__name__}; for other "
                "kernels use pyro.infer.MCMC"
            )
        warmup_steps = num_samples if warmup_steps is None else warmup_steps
        check_mcmc_arguments(
            *(num_samples, warmup_steps, num_chains, initial_params, hook_fn),
            *(mp_context, transforms, save_params, chain_method),
        )
        super().__init__(kernel, num_chains, transforms)
        self.num_samples = num_samples
        self.warmup_steps = warmup_steps
        self._initial_params = initial_params
        self._hook = hook_fn
        self._disable_progbar = disable_progbar
        self._disable_validation = disable_validation
        self._given_transforms = transforms
        self._save_params = save_params
        self._keep_warmup = keep_warmup
        self._args: Sequence[Any] = ()
        self._kwargs: Mapping[str, Any] = {}
        self._chains: Chains | None = None
        self._resumed: dict[str, Any] | None = None
        self._samples: dict[str, Tensor] = {}
        self._had_nothing = False

    @poutine.block
    def run(self, *args: Any, **kwargs: Any) -> None:
        """Draw the samples.

        Parameters
        ----------
        *args, **kwargs
            The model's arguments.
        """
        with self._validation():
            try:
                chains = self._begin(args, kwargs)
            except NothingToSample as nothing:
                if self.kernel.model is None:
                    raise
                # NUTS goes through too, and scripts may well run it for a special case.
                warnings.warn(f"{nothing}; the draws are of no sites", stacklevel=4)
                self._had_nothing = True
                return
            bar = Progress(chains, self.num_samples, self._disable_progbar)
            start = chains.position
            draws = start.new_empty((len(start), self.num_samples, *start.shape[1:]))
            count = 0
            try:
                for i in range(chains.engine.iteration, self.warmup_steps):
                    chains.advance()
                    bar.advance("Warmup")
                    self._call_hook("Warmup", i)
                for i in range(self.num_samples):
                    chains.advance()
                    draws[:, i] = chains.position
                    count = i + 1
                    bar.advance("Sample")
                    self._call_hook("Sample", i)
            finally:
                # What was drawn before an interruption can be had too.
                bar.close()
                if count or not self.num_samples:
                    self._samples = self._constrained(chains, draws[:, :count])

    def _validation(self) -> Any:
        validation = pyro.validation_enabled(not self._disable_validation)
        return optional(validation, self._disable_validation is not None)

    def _begin(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Chains:
        """Have particles that are ready to move, and forget an earlier run."""
        self._chains, self._samples, self._had_nothing = None, {}, False
        self._args, self._kwargs = args, kwargs
        detached = tuple(arg.detach() if torch.is_tensor(arg) else arg for arg in args)
        self._chains = self._start(detached, kwargs)
        return self._chains

    def _start(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Chains:
        # A single particle would have nobody to follow.
        num_chains = self.num_chains
        num_particles = num_chains if num_chains > 1 else self.kernel.options.group_size
        given = self._initial_params
        if given is not None and num_chains == 1 and self.kernel.model is None:
            given = expanded(given, num_particles)
        problem = self.kernel.prepare(num_particles, self.warmup_steps, args, kwargs, given)
        unknown = sorted(set(self._save_params or ()) - set(problem.layout.shapes))
        if unknown:
            raise ValueError(
                f"save_params names {unknown}, which are no latent sites; there are "
                f"{list(problem.layout.shapes)}"
            )
        chains = self.kernel.chains(num_chains, self.num_samples)
        if self._keep_warmup:
            chains.keep_warmup()
        if self._resumed is not None:
            chains.load_state_dict(self._resumed)
            self._resumed = None
        return chains

    def _call_hook(self, stage: str, i: int) -> None:
        assert self._chains is not None
        if self._hook is not None:
            # A copy, as with all that users get: what they write into it moves no particle.
            position = self._chains.position.clone()
            one = position[0] if self.num_chains == 1 else position
            sites = self._chains.problem.layout.unflatten(one)
            self._hook(self.kernel, sites, stage, i)

    def _constrained(self, chains: Chains, draws: Tensor) -> dict[str, Tensor]:
        """The sites to keep in the model's own space, of positions [chain, draw, D]."""
        if self._given_transforms is None:
            self.transforms = chains.problem.transforms
        sites = chains.problem.layout.unflatten(draws)
        names = sorted(sites) if self._save_params is None else self._save_params
        return constrained({name: sites[name] for name in names}, self.transforms)

    def get_samples(
        self, num_samples: int | None = None, group_by_chain: bool = False
    ) -> dict[str, Tensor]:
        """Return the draws in the model's own space.

        Parameters
        ----------
        num_samples : int, optional
            Draw so many of them at random, with replacement. Default: all, in order.
        group_by_chain : bool, default False
            Whether to keep a leading axis of chains.

        Returns
        -------
        dict of str to Tensor
            ``[chain, draw, *site shape]``, or ``[chain * draw, *site shape]``. Empty for a model
            without continuous latent sites, which warns.
        """
        if num_samples is not None:
            count("num_samples", num_samples, 1)
        if self._had_nothing:
            return {}
        self._drew("get_samples")
        if num_samples is None and not group_by_chain:
            # Of a site of size zero Pyro cannot tell how many draws there are.
            return {name: draws.flatten(0, 1) for name, draws in self._samples.items()}
        return select_samples(self._samples, num_samples, group_by_chain)

    @filled(statistics=MEANINGS)
    def diagnostics(self) -> dict[str, Any]:
        """Return what is known of the quality of the draws.

        Returns
        -------
        dict
            By site "n_eff" and "r_hat" as from ``pyro.infer.MCMC``, NaN for less than four draws.
            "divergences", for each chain the numbers of the draws in which the proposal diverged,
            and "acceptance rate". "inverse_mass_matrix" [D] or [D, D], or if of low rank a
            `fhl_ppl.core.metrics.LowRankMetric`, "parameters", the names of its rows, in the order
            of the model; "tuned", a `fhl_ppl.core.report.Report`; "evaluation", the "rung" on which
            particles are evaluated ("loop", one by one, is slower by about their number, "vmap" by
            several times than "fx" or "compile") and the "reason" that it is none higher; with
            `temperatures` what `to_arviz` has of them under "tempering", and the "tension" of every
            draw, V of its replicas [chain, draw, temperature], minus their log likelihoods; and if
            the kernel keeps companions, by site their draws [draw, companion, ...] under
            "companions"; if the warm-up was kept, its statistics by name, [chain, iteration], under
            "warmup". And NumPy arrays [chain, draw]:

            {statistics}
        """
        if self._had_nothing:
            return {}
        chains = self._drew("diagnostics")
        result: dict[str, Any] = self._by_site()
        # An interruption may come after the statistics of a draw and before the draw.
        count = next(iter(self._samples.values())).shape[1]
        statistics = {name: value[:, :count] for name, value in chains.statistics().items()}
        # ArviZ sorts these names as text.
        width = len(str(self.num_chains - 1))
        names = [f"chain {chain:0{width}d}" for chain in range(self.num_chains)]
        diverging = statistics.get("diverging", np.zeros((self.num_chains, 0)))
        result["divergences"] = {
            name: np.flatnonzero(row).tolist() for name, row in zip(names, diverging, strict=True)
        }
        rates = chains.acceptance_rate().tolist()
        result["acceptance rate"] = dict(zip(names, rates, strict=True))
        result |= chains.told()
        if chains.warmup is not None:
            result["warmup"] = chains.warmup.statistics()
        result.update(statistics)
        companions = chains.companions()
        if companions is not None:
            result["companions"] = {name: value[:count] for name, value in companions.items()}
        return result

    def summary(self, prob: float = 0.9) -> None:
        """Print a table of the draws and the number of divergences.

        Parameters
        ----------
        prob : float, default 0.9
            Probability mass of the credible interval.
        """
        real(lambda x: 0 < x < 1, "in (0, 1)")("prob", prob)
        if self._had_nothing:
            return
        self._drew("summary")
        if not next(iter(self._samples.values())).shape[1]:
            raise RuntimeError("summary needs draws, and num_samples is 0; make it larger")
        print_summary(self._with_numbers(), prob=prob)
        divergences = self.diagnostics()["divergences"]
        print(f"Number of divergences: {sum(map(len, divergences.values()))}")  # noqa: T201

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the run, to be saved with ``torch.save``.

        It can be taken after a run, or within a `hook_fn` to be safe from interruptions. It holds
        the particles, what was adapted, and the state of the random generator, but no draws. It
        can be loaded with ``torch.load(..., weights_only=True)``.
        """
        return self._ran("state_dict").state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next `run` go on from `state_dict`, as if it had never been interrupted.

        It does what is left of the warm-up and then draws `num_samples`.

        Parameters
        ----------
        state_dict : dict
            From the same model, arguments and settings, whatever `num_samples` was. `run` raises
            ValueError if it is not.

        Raises
        ------
        TypeError, ValueError
            If it is no such dict, or another version saved it.
        """
        check_state(state_dict)
        self._resumed = state_dict

    def _ran(self, wanted: str) -> Chains:
        if self._had_nothing:
            raise RuntimeError(f"{wanted} needs a model with a continuous latent site")
        if self._chains is None:
            raise RuntimeError(f"run must be called before {wanted}")
        return self._chains

    def _drew(self, wanted: str) -> Chains:
        chains = self._ran(wanted)
        if not self._samples:
            raise RuntimeError(
                f"{wanted} needs draws, and the run was interrupted before the first (state_dict() "
                "has its particles, and load_state_dict lets a run go on from there), or its draws "
                "are in a store alone (fhl_ppl.open_store)"
            )
        return chains

    def _with_numbers(self) -> dict[str, Tensor]:
        """The draws but for those of sites of size zero, of which nothing can be told."""
        return {name: draws for name, draws in self._samples.items() if draws.shape[2:].numel()}

    def _by_site(self) -> dict[str, Any]:
        """Return Pyro's diagnostics, which are not defined for very few draws."""
        samples = self._with_numbers()
        if next(iter(self._samples.values())).shape[1] >= _FEWEST_DRAWS:
            return diagnostics(samples)
        undefined = {k: v.new_full(v.shape[2:], torch.nan) for k, v in samples.items()}
        return {name: {"n_eff": value, "r_hat": value} for name, value in undefined.items()}
