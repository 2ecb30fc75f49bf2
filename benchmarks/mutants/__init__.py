"""Mutation testing of `fhl_ppl`: faults made on purpose, and which tests see them."""
