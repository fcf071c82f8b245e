"""What the model writes besides answers: statements in place of questions, and questions of its own."""
