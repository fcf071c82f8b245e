"""What is trained on besides documents: lessons, attempts, and what takes the place of tuning questions."""
