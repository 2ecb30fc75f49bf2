"""What both adapters share on the way to ArviZ; knows arrays and datasets, and no backend."""
