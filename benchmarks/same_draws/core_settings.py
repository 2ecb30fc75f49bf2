"""Core in NumPy: the scenarios of the golden files, as the commit at hand computes them."""

from tests.golden.generate import generate

COMPUTED: dict = {}
for _key, _value in generate().items():
    _scenario, _, _name = _key.partition("/")
    COMPUTED.setdefault(_scenario, {})[_name.replace("/", " ")] = _value

SETTINGS = {
    scenario: lambda arrays=arrays: arrays
    for scenario, arrays in COMPUTED.items()
    if scenario != "inputs"
}
