"""The tables of experiments that are sweeps, one file each: Hydra calls them at the end, and each is a command."""
