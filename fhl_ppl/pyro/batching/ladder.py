"""From a function of one particle to a function of all of them: the fastest way that is right.

The rungs, in the order in which they are climbed:

========== ========================================================================================
`loop`     a Python loop over particles; always works
`vmap`     ``torch.func.vmap``; needs a model without Python control flow on parameters
`fx`       the operations of `vmap`, recorded once for each number of particles and replayed without
           running the model's Python code, nor what in it does not depend on the parameters
`compile`  ``torch.compile`` of that record; on request, as it takes many seconds
========== ========================================================================================

A rung is used only after it agreed with the loop at two sets of points; one that fails or disagrees
leaves the rung below in use.
"""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from fhl_ppl.pyro.batching.batchable import FillableFactories, batchable_operations
from fhl_ppl.pyro.batching.selfcheck import Reference, disagreement, references
from fhl_ppl.pyro.batching.simplify_graph import simplify_graph
from fhl_ppl.pyro.model.one_particle import Outputs, Quantity
from fhl_ppl.pyro.model.why_not import explain_failure

Batched = Callable[[Tensor], Outputs]
Builder = Callable[[Batched], Batched]


class _Rung(NamedTuple):
    batched: Batched
    name: str
    reason: str


class Ladder:
    """Evaluate a quantity for all particles at once.

    Nothing is traced or compiled before the first call; pickling leaves traced and compiled
    functions behind. Warns once (RuntimeWarning) if the loop has to be used, and once if
    compilation was asked for and failed.

    Parameters
    ----------
    quantity
    noisy
        The function draws random numbers. It is then neither recorded, which would freeze them, nor
        checked; each particle gets its own draws from Torch's generator.
    jit_compile, jit_options
        Climb to `compile`, with these keyword arguments for ``torch.compile``.
    warned
        What has been warned of already. To be shared by the ladders of one model.

    Attributes
    ----------
    rung
        The rung of the number of particles seen last; None before the first call.
    reason
        Why it is not a higher one; empty if none higher was asked for.

    Examples
    --------
    >>> import torch
    >>> from fhl_ppl.pyro.model.layout import SiteLayout
    >>> from fhl_ppl.pyro.model.one_particle import energy_and_gradient
    >>> layout = SiteLayout({"x": torch.zeros(2)})
    >>> ladder = Ladder(energy_and_gradient(lambda sites: (sites["x"] ** 2).sum() / 2, layout))
    >>> energies, gradients = ladder(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    >>> energies.tolist(), gradients.tolist(), ladder.rung
    ([12.5, 2.0], [[3.0, 4.0], [0.0, 2.0]], 'fx')
    """

    def __init__(
        self,
        quantity: Quantity,
        *,
        noisy: bool = False,
        jit_compile: bool = False,
        jit_options: dict[str, Any] | None = None,
        warned: set[str] | None = None,
    ) -> None:
        self.quantity = quantity
        self.noisy = noisy
        self.jit_compile = jit_compile
        self.jit_options = dict(jit_options or {})
        self.rung: str | None = None
        self.reason = ""
        self._rungs: dict[tuple[Any, ...], _Rung] = {}
        # What vmap refuses, it refuses for any number of particles, in other processes too.
        self._loop_only: _Rung | None = None
        self._warned = set() if warned is None else warned

    def __call__(self, position: Tensor) -> Outputs:
        """Evaluate at [N, D]: energies [N] and/or gradients [N, D], made harmless."""
        key = (position.shape[0], position.dtype, position.device)
        if self._loop_only is not None:
            used = self._loop_only
        elif key in self._rungs:
            used = self._rungs[key]
        else:
            used = self._climb(key, position)
        self.rung, self.reason = used.name, used.reason
        try:
            with torch.no_grad():
                return used.batched(position)
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception:
            # Some operation that has no batched way of reporting failure. An error of the model
            # itself will come up again.
            return self.quantity.one_by_one(position)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_rungs": {}}

    def _climb(self, key: tuple[Any, ...], position: Tensor) -> _Rung:
        checks = [] if self.noisy else references(self.quantity, position)
        trusted = _Rung(self.quantity.one_by_one, "loop", "")
        if not all(check.finite for check in checks):
            # Nothing to compare; the next call may bring better positions.
            return trusted._replace(reason="no particle with a finite energy to check against")
        for name, builders in self._builders(position):
            # The first fault is the one to report: later ways to the same rung are detours.
            faults: list[str] = []
            for build in builders:
                batched, fault = self._build(build, trusted.batched, position, checks)
                if batched is not None:
                    trusted = _Rung(batched, name, "")
                    break
                faults.append(fault)
            else:
                trusted = trusted._replace(reason=f"{name} {faults[0]}")
                break
        else:
            if self.noisy:
                reason = "a recorded function would repeat the same random numbers"
                trusted = trusted._replace(reason=reason)
        self._report(trusted)
        if trusted.name == "loop":
            self._loop_only = trusted
        self._rungs[key] = trusted
        return trusted

    def _builders(self, position: Tensor) -> list[tuple[str, list[Builder]]]:
        """List the rungs, and for each the ways to make it from the one below it."""
        rungs: list[tuple[str, list[Builder]]] = [
            (
                "vmap",
                [lambda below: self._vmapped, lambda below: partial(self._vmapped, fillable=True)],
            )
        ]
        if not self.noisy:
            # Of the module, only the recorded code is used: a call of the module itself would look
            # for hooks every time.
            rungs.append(
                (
                    "fx",
                    [
                        lambda below: _script(
                            simplify_graph(_record(below, position), position), position
                        ),
                        lambda below: simplify_graph(_record(below, position), position).forward,
                        lambda below: _record(below, position).forward,
                    ],
                )
            )
            if self.jit_compile:
                compiler = partial(torch.compile, **self.jit_options)
                rungs.append(("compile", [compiler]))
        return rungs

    def _build(
        self, build: Builder, below: Batched, position: Tensor, checks: list[Reference]
    ) -> tuple[Batched | None, str]:
        try:
            with torch.no_grad():
                batched = build(below)
                if self.noisy:
                    batched(position)
                fault = disagreement(self.quantity, batched, checks)
        except Exception as error:
            return None, explain_failure(error)
        return (None, f"is wrong for this function: {fault}") if fault else (batched, "")

    def _vmapped(self, position: Tensor, fillable: bool = False) -> Outputs:
        def single(q: Tensor) -> Outputs:
            with FillableFactories(q) if fillable else nullcontext():
                return self.quantity.functional(q)

        randomness = "different" if self.noisy else "error"
        with batchable_operations():
            outputs = torch.func.vmap(single, randomness=randomness)(position)
        return self.quantity.harmless(outputs)

    def _report(self, rung: _Rung) -> None:
        if rung.name == "loop":
            message = (
                f"{self.quantity.origin} cannot be evaluated for all particles at once and is "
                f"evaluated one by one, which is slower by about their number: {rung.reason}"
            )
        elif self.jit_compile and not self.noisy and rung.name != "compile":
            message = (
                f"{self.quantity.origin} could not be compiled as jit_compile=True asks; it is "
                f"evaluated uncompiled: {rung.reason}"
            )
        else:
            return
        about = f"{self.quantity.origin}: {rung.name}"
        if about not in self._warned:
            self._warned.add(about)
            warnings.warn(message, RuntimeWarning, stacklevel=5)


def _script(module: torch.fx.GraphModule, position: Tensor) -> Batched:
    """Have TorchScript replay a record, which spares Python's share of every operation.

    On a CPU and for few particles that is more than half of the time; the operations, and so the
    results, are the same. Elsewhere TorchScript would fuse, that is compile.
    """
    if position.device.type != "cpu":
        raise NotImplementedError("TorchScript is used on CPUs only")
    with warnings.catch_warnings():
        # TorchScript warns that it is no longer developed. Without it the record is run as it is.
        warnings.simplefilter("ignore")
        return torch.jit.trace(lambda q: module.forward(q), (position,), check_trace=False)


def _record(function: Batched, position: Tensor) -> torch.fx.GraphModule:
    # In a lambda, because make_fx takes no methods.
    return make_fx(lambda q: function(q))(position)
