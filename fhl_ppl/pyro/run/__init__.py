"""Run the algorithm of `fhl_ppl.core` on tensors, and keep what it draws."""
