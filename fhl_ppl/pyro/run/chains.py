"""A run of N particles, of which the first are reported as chains."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from fhl_ppl.diagnostics.run import names_of
from fhl_ppl.pyro.checks import count
from fhl_ppl.pyro.model.problem import Problem
from fhl_ppl.pyro.run.arrays import on_host
from fhl_ppl.pyro.run.engine import Engine, Iteration
from fhl_ppl.pyro.run.record import Record, Rows

STATE_VERSION = 1
"""Of what `Chains.state_dict` returns; a state of another cannot be read."""


class Chains:
    """Particles on their way, with what was recorded of them.

    The first `num_reported` are chains; the others are private companions, whose draws are kept too
    with `keep_companions`. There is `room` for so many draws at the start.

    Attributes
    ----------
    record
        The statistics of the chains' draws.
    warmup
        Those of the iterations of the warm-up, after `keep_warmup`.
    """

    def __init__(
        self,
        problem: Problem,
        engine: Engine,
        num_reported: int,
        keep_companions: bool,
        room: int,
    ) -> None:
        self.problem = problem
        self.engine = engine
        self.num_reported = num_reported
        self.record = Record(engine.groups.group, num_reported, room)
        self.warmup: Record | None = None
        self._companions = Rows(room) if keep_companions else None
        self._last: Iteration | None = None
        self._accept_sum = 0.0 * engine.state.potential_energy
        self._accept_count = 0

    @property
    def is_warming_up(self) -> bool:
        """Whether the next iteration still belongs to the warm-up."""
        return self.engine.iteration < self.engine.sampler.num_warmup

    @property
    def position(self) -> Tensor:
        """Unconstrained positions of the chains, [chain, D]."""
        return self.engine.arrays.tensor(self.engine.users_place.position)[: self.num_reported]

    @property
    def group(self) -> Any:
        """Group of each chain, [chain]."""
        return on_host(self.engine.groups.group)[: self.num_reported]

    def advance(self) -> int:
        """Run one iteration, record it after warm-up, and return its gradients of a particle."""
        engine = self.engine
        is_sample = not self.is_warming_up
        if engine.iteration == engine.sampler.num_warmup:
            self._accept_sum = 0.0 * self._accept_sum
            self._accept_count = 0
        self._last = engine.advance()
        self._accept_sum = self._accept_sum + self._last.statistics["accept_prob"]
        self._accept_count += 1
        if is_sample:
            self.record.add(self._last)
            if self._companions is not None:
                self._companions.add(self._last.position[self.num_reported :])
        elif self.warmup is not None:
            self.warmup.add(self._last)
        return int(self._last.statistics["n_steps"])

    def keep_warmup(self) -> None:
        """Keep the statistics of the warm-up too."""
        engine = self.engine
        self.warmup = Record(engine.groups.group, self.num_reported, engine.sampler.num_warmup)

    def logging(self) -> "OrderedDict[str, str]":
        """Return what a progress bar shows: eta, mean acceptance of the phase, mean lambda."""
        if self._last is None:
            return OrderedDict()
        told = self._last.statistics
        return OrderedDict(
            [
                ("step size", f"{float(told['step_size']):.2e}"),
                ("acc. prob", f"{float(self._accept_sum.mean()) / self._accept_count:.3f}"),
                ("pull", f"{float(told['pulling_strength'].mean()):.2g}"),
            ]
        )

    def statistics(self) -> dict[str, np.ndarray]:
        """Return the statistics of every draw, each [chain, draw]; see `Record.statistics`."""
        return self.record.statistics()

    def acceptance_rate(self) -> np.ndarray:
        """Return the share of accepted proposals of each chain."""
        return self.record.acceptance_rate()

    def parameters(self) -> list[str]:
        """Names of the unconstrained parameters, in the order of a position."""
        return names_of({name: tuple(s) for name, s in self.problem.layout.shapes.items()})

    def evaluation(self) -> dict[str, str]:
        """Return the rung that particles are evaluated on, and why it is none higher."""
        potential = self.engine.potential
        return {"rung": potential.rung or "", "reason": potential.reason}

    def told(self) -> dict[str, Any]:
        """Return by name what warm-up settled on, and how particles are evaluated."""
        result: dict[str, Any] = {
            "inverse_mass_matrix": self.engine.inverse_mass_matrix(),
            "tuned": self.engine.report(),
            "parameters": self.parameters(),
            "evaluation": self.evaluation(),
        }
        if tempering := self.engine.tempering():
            result["tempering"] = tempering
        return result

    def forget_companions(self) -> None:
        """Keep no draws of companions any more."""
        self._companions = None

    def forget_draws(self) -> None:
        """Keep no statistics of draws any more, and no draws of companions."""
        self.record.forget()
        self.forget_companions()

    def companions(self) -> dict[str, np.ndarray] | None:
        """Return the companions' draws in the model's own space, [draw, companion, ...]."""
        if not self._companions:
            return None
        draws = self.engine.arrays.tensor(self._companions.all())
        sites = self.problem.layout.unflatten(draws)
        return {
            name: value.cpu().numpy()
            for name, value in constrained(sites, self.problem.transforms).items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Return all that the rest of the run depends on."""
        return {
            "version": STATE_VERSION,
            "settings": self.settings(),
            **self.engine.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Raises
        ------
        ValueError
            If it was taken from a run with other settings, naming the first that differs, or by
            another version.
        """
        check_state(state_dict)
        missing = self.state_dict().keys() - state_dict.keys()
        if missing:
            raise ValueError(
                f"the state lacks {sorted(missing)}; load what MCMC.state_dict() returned, whole"
            )
        settings = self.settings()
        if not isinstance(state_dict["settings"], Mapping):
            raise ValueError(
                f"the state has settings {state_dict['settings']!r:.50}; load what "
                "MCMC.state_dict() returned, whole"
            )
        for name, value in settings.items():
            got = state_dict["settings"].get(name)
            if not (type(got) is type(value) and got == value):
                raise ValueError(
                    f"the state is from a run with {name}={got!r}, this one has {value!r}; "
                    "a run can go on only with the same settings"
                )
        for name in ("iteration", "draws_used"):
            count(f"{name} of the state", state_dict[name], 0)
        try:
            self.engine.load_state_dict(state_dict)
        except (TypeError, KeyError, AttributeError, RuntimeError) as error:
            # What has been changed may fail anywhere in what unpacks it.
            raise ValueError(
                f"the state cannot be read ({error}); load what MCMC.state_dict() returned, whole"
            ) from error

    def settings(self) -> dict[str, Any]:
        """Return what a run has to have in common with one whose state it goes on from."""
        layout = self.problem.layout
        return {
            "num_particles": len(self.problem.position),
            "sites": {name: list(shape) for name, shape in layout.shapes.items()},
            "dtype": str(layout.dtype),
            "warmup_steps": self.engine.sampler.num_warmup,
            **self.engine.settings,
        }


def constrained(sites: dict[str, Tensor], transforms: dict[str, Any]) -> dict[str, Tensor]:
    """Take unconstrained sites back to the model's own space."""
    return {
        name: transforms[name].inv(value) if name in transforms else value
        for name, value in sites.items()
    }


def check_state(state_dict: Any) -> None:
    """Insist on a state that this version has saved.

    Raises
    ------
    TypeError
        If it is no dict.
    ValueError
        If it has another version, or none.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            f"state_dict must be what MCMC.state_dict() returned, got {state_dict!r:.50}"
        )
    version = state_dict.get("version")
    if version != STATE_VERSION:
        raise ValueError(
            f"state_dict has version {version!r}, and only {STATE_VERSION} can be read; load what "
            "MCMC.state_dict() returned, with the fhl_ppl that saved it"
        )
