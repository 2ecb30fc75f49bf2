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
leaves the rung below in use. What the model asks of a particle in Python, and is told of the first,
is checked for the others at every call. More particles than a cache holds are evaluated in blocks.
Compiling begins when replaying has taken as long as it will, and what
is compiled has to be faster: so a short run is none the slower for it, and no run by much.
"""

import time
import warnings
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fhl_ppl.pyro.batching.agreed import Agreed
from fhl_ppl.pyro.batching.at_once import particles_at_once
from fhl_ppl.pyro.batching.batchable import FillableFactories, batchable_operations
from fhl_ppl.pyro.batching.guards import GuardError, Guards
from fhl_ppl.pyro.batching.replay import Batched, Recorded
from fhl_ppl.pyro.batching.selfcheck import Reference, differing, disagreement, references
from fhl_ppl.pyro.model.one_particle import Outputs, Quantity
from fhl_ppl.pyro.model.why_not import explain_failure

MOST_MISSES = 10
"""So many batches may be in vain, and then one in so many. A batch costs about what one particle
does, so that the loop over 10 or more, which follows a miss, is hardly dearer for it."""


COMPILES_AFTER = 30.0
"""Seconds of replaying after which to compile, without `jit_options`: compiling takes tens of them
(a hidden Markov model of two states more than 50), and a run of seconds is not to wait for it."""

MOST_COMPILED = 2000
"""Operations beyond which compiling is not begun. Not settled by measurements: it is there for
loops over many time steps, which take minutes, and to which fusing brings little."""


class _Rung(NamedTuple):
    batched: Batched
    name: str
    reason: str
    agreed: Agreed | None = None
    record: Recorded | None = None


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
        Climb to `compile`, with these keyword arguments for ``torch.compile``: at once if there are
        any, and otherwise when it pays.
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
        self._at_once: dict[int, int] = {}
        self._spent: dict[tuple[Any, ...], float] = {}
        self._asked_from: list[str] = []
        self._calls = self._misses = 0
        self._warned = set() if warned is None else warned

    def __call__(self, position: Tensor) -> Outputs:
        """Evaluate at [N, D]: energies [N] and/or gradients [N, D], made harmless."""
        count = len(position)
        if count not in self._at_once:
            self._at_once[count] = (
                count if self.noisy else particles_at_once(self.quantity, position)
            )
        size = self._at_once[count]
        if size == count or self._loop_only is not None:
            return self._of_block(position)
        blocks = position.split(size)
        lacking = size - len(blocks[-1])
        if lacking:
            # All of one size, as each size has a record of its own.
            blocks = (*blocks[:-1], torch.cat([blocks[-1], position[-1:].expand(lacking, -1)]))
        outputs = zip(*map(self._of_block, blocks), strict=True)
        return tuple(torch.cat(column)[:count] for column in outputs)

    def _of_block(self, position: Tensor) -> Outputs:
        key = (position.shape[0], position.dtype, position.device)
        if self._loop_only is not None:
            used = self._loop_only
        elif key in self._rungs:
            used = self._rungs[key]
        else:
            used = self._climb(key, position)
        self.rung, self.reason = used.name, used.reason
        before = time.perf_counter()
        try:
            with torch.no_grad():
                outputs = used.batched(position)
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception:
            # Some operation that has no batched way of reporting failure. An error of the model
            # itself will come up again.
            return self.quantity.one_by_one(position)
        if self.jit_compile and used.record is not None:
            self._spent[key] = self._spent.get(key, 0.0) + time.perf_counter() - before
            if self._spent[key] > COMPILES_AFTER:
                checks = references(self.quantity, position)
                self._rungs[key] = self._compiled(used, position, checks)
        return self._settled(used, position, outputs)

    def _settled(self, used: _Rung, position: Tensor, outputs: Outputs) -> Outputs:
        """Take from the plain function what a batch is not trusted with; see `guards`."""
        results, answers = self._parted(outputs)
        if not answers:
            return results
        other = ~answers[0]
        doubtful, known, agreed = other, ~other, used.agreed
        if agreed is not None:
            known = known & agreed.known(answers[1])
            doubtful = ~known | agreed.audited(len(known))
        rows = doubtful.nonzero()[:, 0]
        if not len(rows):
            self._calls += 1
            return results
        plain = self.quantity.one_by_one(position[rows])
        wrong = differing(self.quantity, tuple(x[rows] for x in results), plain)
        if (wrong & known[rows]).any():
            self._give_up("; some earlier evaluations may have been wrong: run again")
        if agreed is not None and not wrong.all():
            agreed.learn(answers[1][rows[~wrong]])
        if (wrong | other[rows]).any():
            self._count_miss()
        else:
            self._calls += 1
        return tuple(x.index_copy(0, rows, y) for x, y in zip(results, plain, strict=True))

    def _parted(self, outputs: Outputs) -> tuple[Outputs, Outputs]:
        """Part results from whether the model goes the same way, and the numbers it took."""
        count = len(self.quantity.fields)
        return outputs[:count], outputs[count:]

    def _count_miss(self) -> None:
        """Give up on a batch that is evaluated in vain too often."""
        self._misses += 1
        if self._misses > MOST_MISSES and self._misses * MOST_MISSES > self._calls:
            self._give_up()

    def _give_up(self, further: str = "") -> None:
        reason = self._different_ways() + further
        self._loop_only = _Rung(self.quantity.one_by_one, "loop", reason)
        self._report(self._loop_only)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_rungs": {}}

    def _climb(self, key: tuple[Any, ...], position: Tensor) -> _Rung:
        checks = [] if self.noisy else references(self.quantity, position)
        loop = _Rung(self.quantity.one_by_one, "loop", "")
        if not all(check.finite for check in checks):
            # Nothing to compare; the next call may bring better positions.
            return loop._replace(reason="no particle with a finite energy to check against")
        # Most can be replayed; then nobody needs to know whether the rung below is right.
        found = None if self.noisy else self._replayed(self._vmapped, position, checks)[0]
        rung = self._step_by_step(loop, position, checks) if found is None else found
        if rung.record is not None and self.jit_compile:
            if self.jit_options:
                rung = self._compiled(rung, position, checks)
            else:
                rung = rung._replace(reason=f"it is compiled after {COMPILES_AFTER:g} s of this")
        self._report(rung)
        if rung.name == "loop":
            self._loop_only = rung
        self._rungs[key] = rung
        return rung

    def _step_by_step(self, loop: _Rung, position: Tensor, checks: list[Reference]) -> _Rung:
        # The first fault is the one to report: the other way is a detour.
        faults: list[str] = []
        for way in (self._vmapped, partial(self._vmapped, fillable=True)):
            rung, fault = self._checked("vmap", way, position, checks)
            if rung is None:
                faults.append(fault)
                continue
            if self.noisy:
                reason = "a recorded function would repeat the same random numbers"
                return rung._replace(reason=reason)
            higher, fault = self._replayed(way, position, checks)
            return rung._replace(reason=f"fx {fault}") if higher is None else higher
        return loop._replace(reason=f"vmap {faults[0]}")

    def _replayed(
        self, below: Batched, position: Tensor, checks: list[Reference]
    ) -> tuple[_Rung | None, str]:
        try:
            with torch.no_grad():
                record = Recorded(below, position)
        except Exception as error:
            return None, explain_failure(error)
        rung, fault = self._checked("fx", record, position, checks)
        return (None if rung is None else rung._replace(record=record)), fault

    def _compiled(self, rung: _Rung, position: Tensor, checks: list[Reference]) -> _Rung:
        """Climb from a record, if what is compiled is right, and faster or asked for by options."""
        record = rung.record
        assert record is not None
        rung = rung._replace(record=None)
        if record.operations > MOST_COMPILED and not self.jit_options:
            return rung._replace(
                reason=f"compiling {record.operations:,} operations would take minutes"
            )
        try:
            compiled: Batched = torch.compile(record.interpreted, **self.jit_options)
        except Exception as error:
            higher, fault = None, explain_failure(error)
        else:
            higher, fault = self._checked("compile", compiled, position, checks)
        if higher is None:
            rung = rung._replace(reason=f"compile {fault}")
            self._report(rung)
        elif self.jit_options or _seconds(higher, position) < _seconds(rung, position):
            return higher
        else:
            rung = rung._replace(reason="compiled, it is slower")
        return rung

    def _checked(
        self, name: str, batched: Batched, position: Tensor, checks: list[Reference]
    ) -> tuple[_Rung | None, str]:
        """Return a rung if it agrees with the references, else what is wrong."""
        numbers: list[Tensor] = []

        def insisting(position: Tensor) -> Outputs:
            results, answers = self._parted(batched(position))
            if answers and not answers[0].all():
                raise GuardError(self._different_ways())
            numbers.extend(answers[1:])
            return results

        try:
            with torch.no_grad():
                if self.noisy:
                    batched(position)
                fault = disagreement(self.quantity, insisting, checks)
        except Exception as error:
            return None, explain_failure(error)
        if fault and numbers:
            return None, self._different_ways()
        if fault:
            return None, f"is wrong for this function: {fault}"
        return _Rung(batched, name, "", Agreed(torch.cat(numbers)) if numbers else None), ""

    def _vmapped(self, position: Tensor, fillable: bool = False) -> Outputs:
        # Where noise is drawn, to draw it again for some of the answers would not do.
        guards = Guards()
        answering = nullcontext() if self.noisy else guards

        def single(q: Tensor) -> Outputs:
            with answering, FillableFactories(q) if fillable else nullcontext():
                outputs = self.quantity.functional(q)
            return outputs + guards.hold()

        randomness = "different" if self.noisy else "error"
        with batchable_operations():
            # A copy, as a function may write into its argument, and the particles stay there.
            outputs = torch.func.vmap(single, randomness=randomness)(position.clone())
        count = len(self.quantity.fields)
        self._asked_from = guards.where
        return self.quantity.harmless(outputs[:count]) + outputs[count:]

    def _different_ways(self) -> str:
        where = " or ".join(dict.fromkeys(self._asked_from))
        return (
            "data-dependent control flow, or a number by float() or .item(), not the same for all "
            f"particles ({where}); torch.where and tensors can be batched"
        )

    def _report(self, rung: _Rung) -> None:
        if rung.name == "loop":
            message = (
                f"{self.quantity.origin} cannot be evaluated for all particles at once and is "
                f"evaluated one by one, which is slower by about their number: {rung.reason}"
            )
        elif self.jit_compile and not self.noisy and rung.name != "compile" and not rung.record:
            message = (
                f"{self.quantity.origin} could not be compiled as jit_compile=True asks; it is "
                f"evaluated uncompiled: {rung.reason}"
            )
        else:
            return
        about = f"{self.quantity.origin}: {rung.name}"
        if about not in self._warned:
            self._warned.add(about)
            warnings.warn(message, RuntimeWarning, stacklevel=6)


def _seconds(rung: _Rung, position: Tensor) -> float:
    """How long one evaluation takes, the fastest of five."""
    times = []
    with torch.no_grad():
        for _ in range(5):
            before = time.perf_counter()
            rung.batched(position)
            times.append(time.perf_counter() - before)
    return min(times)
