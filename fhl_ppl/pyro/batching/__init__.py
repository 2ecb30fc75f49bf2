"""Functions of one particle made into functions of all of them."""
