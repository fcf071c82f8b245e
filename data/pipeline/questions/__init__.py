"""What is trained on besides documents: questions rewritten as statements, crops of sentences, the second phase's
lessons, and whether they fit a row."""
