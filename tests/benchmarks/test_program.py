"""Copies of the model's gradient are counted wherever they stand in a program."""

from tests.conftest import importorskip

jax = importorskip("jax")
importorskip("numpyro")
from benchmarks.program.structure import count, mark_gradient, marked


def copies(function):
    found = count(jax.make_jaxpr(function)(1.0).jaxpr)
    return found["model_energy"], found["model_gradient"]


def test_an_energy_and_a_gradient_are_told_apart():
    assert copies(marked) == (1, 0)
    assert copies(jax.value_and_grad(marked)) == (1, 1)
    assert copies(lambda x: x + 1) == (0, 0)


def test_branches_loops_and_inner_programs_count():
    def branches(x):
        return jax.lax.cond(x > 0, jax.grad(marked), lambda x: mark_gradient(mark_gradient(x)), x)

    def loop(x):
        return jax.lax.fori_loop(0, x.astype(int), lambda _, y: mark_gradient(y), x)

    assert copies(branches) == (1, 3)
    assert copies(loop) == (0, 1)
    assert copies(jax.jit(jax.vmap(branches, axis_size=2, in_axes=None))) == (1, 3)
