"""How long to run, and what for."""

from typing import NamedTuple

from benchmarks.samplers.interface import Size


class Protocol(NamedTuple):
    """`error_limit`: follow the error of E[x^2] for at most this many gradients of a chain."""

    size: Size
    error_limit: float | None = None


PROTOCOLS = {
    "standard": Protocol(Size(chains=4, warmup=1000, draws=1000)),
    "many": Protocol(Size(chains=64, warmup=200, draws=200)),
    "error": Protocol(Size(chains=128, warmup=500, draws=50), error_limit=200_000),
}
