"""Systems that have the corpus at hand when they are asked: what a user might build instead of citing from memory."""
