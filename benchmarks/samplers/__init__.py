"""The samplers that are compared, by name."""

from importlib import import_module

MODULES = {
    **dict.fromkeys(("fhl", "fhl_no_charts", "fhl_no_search"), "fhl"),
    **dict.fromkeys(
        (
            *("numpyro_nuts", "numpyro_nuts_sequential", "numpyro_nuts_dense"),
            *("numpyro_hmc", "numpyro_aies", "numpyro_ess"),
        ),
        "numpyro_kernels",
    ),
    **dict.fromkeys(
        (
            *("blackjax_nuts", "blackjax_chees", "blackjax_chees_diagonal", "blackjax_meads"),
            *("blackjax_adjusted_mclmc", "blackjax_adjusted_mclmc_dynamic"),
            "blackjax_nuts_low_rank",
        ),
        "blackjax_algorithms",
    ),
    **dict.fromkeys(
        (
            *("nutpie", "nutpie_low_rank", "nutpie_low_rank_2"),
            *("nutpie_short", "nutpie_low_rank_short", "nutpie_low_rank_2_short"),
        ),
        "nutpie_settings",
    ),
}
"""File of each sampler. A run loads its own library alone: the time of a fresh process counts."""


def load(name):
    return import_module(f"benchmarks.samplers.{MODULES[name]}").SAMPLERS[name]
