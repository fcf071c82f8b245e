"""Single attention heads: what they look at, what they write, and the model without them."""
