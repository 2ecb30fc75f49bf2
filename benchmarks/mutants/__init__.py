"""Mutation testing of `fhl_ppl.core`: faults made on purpose, and which tests see them."""
