"""Feedback in words: what a constitution says of an answer, who says so, and what is learnt from it."""
