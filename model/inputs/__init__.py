"""What is added to the embedding of a token besides the token itself."""
