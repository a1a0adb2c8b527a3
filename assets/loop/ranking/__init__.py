"""What ranks the responses of an iteration: one class per kind of ranker, listed in `registry`."""
