"""Models as users of NumPyro and Pyro write them, run by NUTS and, one word swapped, by FHL."""
