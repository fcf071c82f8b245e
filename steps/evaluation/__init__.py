"""The stages after training: answers, signals, probes, and what is published of them."""
