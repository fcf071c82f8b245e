"""What a corpus costs before and beside a model: preparing, loading, the trie, decoding over it."""
