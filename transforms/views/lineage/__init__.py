"""What a model, a response or a pair was made from, and how that is told to others."""
