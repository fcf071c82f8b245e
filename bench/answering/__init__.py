"""Speed of answering with citations: ours, and Hugging Face's `generate` held to the same identifiers."""
