"""What a visit of a document is like, beside its text: the scene that it is read in, and how often it comes."""
