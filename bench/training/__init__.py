"""Training speed: our loop, other people's on the same documents, and the ceiling of matrix products."""
