"""One optimiser step: which optimiser, at what rate, and whether it is taken."""
