"""The experiments of the FHL paper, measured: one figure a file, `python -m benchmarks.paper`.

The paper is "Follow Hamiltonian Leader: An Efficient Energy-Guided Sampling Method". What came out
is in docs/paper.md. All methods, the paper's baselines among them, go through
`fhl_ppl.core.iteration` and get the same number of evaluations a particle.
"""
