"""What an iteration of the NumPyro kernel consists of: prints a line of JSON for each setting.

Run by path, with the package of the commit under study. A primitive of its own marks the model's
energy, and another its gradient, so that copies of them can be counted in the program.
"""

import json
from collections import Counter

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import random
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from fhl_ppl.numpyro import FHL

CHAINS, WARMUP, ROWS = 8, 100, 50


def marker(name):
    """An identity that is seen in a program."""
    primitive = Primitive(name)
    primitive.def_impl(lambda x: x)
    primitive.def_abstract_eval(lambda x: x)
    batching.defvectorized(primitive)
    mlir.register_lowering(primitive, lambda context, x: [x])
    return primitive.bind


mark_energy, mark_gradient = marker("model_energy"), marker("model_gradient")


@jax.custom_vjp
def marked(x):
    return mark_energy(x)


marked.defvjp(lambda x: (mark_energy(x), None), lambda _, cotangent: (mark_gradient(cotangent),))

traced = Counter()


def model(batch=None):
    traced["model"] += 1
    x = marked(numpyro.sample("x", dist.Normal(0, 1).expand([3]).to_event(1)))
    with numpyro.plate("rows", ROWS, subsample_size=batch) as index:
        numpyro.sample("y", dist.Normal(x.sum() * jnp.cos(index), 1), obs=jnp.sin(index))


def gradient(z):
    return jax.tree.map(mark_gradient, z)


def noisy(z, key):
    return jax.tree.map(lambda x: mark_gradient(x) + random.normal(key, x.shape), z)


SETTINGS = {
    "default": (model, {}),
    "jumps=False": (model, {"jumps": False}),
    "gradient_fn": (model, {"gradient_fn": gradient}),
    "noisy_gradient": (model, {"gradient_fn": noisy, "noisy_gradient": True}),
    "minibatch": (lambda: model(5), {"minibatch": True}),
}


def count(jaxpr):
    """Primitives by name, in loops and branches too, each once wherever it is written."""
    found = Counter()
    for equation in jaxpr.eqns:
        found[equation.primitive.name] += 1
        for part in jax.tree.leaves(list(equation.params.values()), is_leaf=is_program):
            if is_program(part):
                found += count(getattr(part, "jaxpr", part))
    return found


def is_program(value):
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def structure(model, settings):
    traced.clear()
    kernel = FHL(model, **settings)
    state = kernel.init(random.split(random.PRNGKey(0), CHAINS), WARMUP, None)
    program = jax.make_jaxpr(lambda state: kernel.sample(state, (), {}))(state)
    found = count(program.jaxpr)
    return {
        "gradients": found["model_gradient"],
        "energies": found["model_energy"],
        "lines": str(program).count("\n") + 1,
        "traced": traced["model"],
    }


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    for name, (given, settings) in SETTINGS.items():
        print(json.dumps({"setting": name} | structure(given, settings)), flush=True)
