"""Energy-based generative models: compositions with known truth, and digits."""
