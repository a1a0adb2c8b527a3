"""Models that run without training: vLLM, log-probabilities, replicas, chunks and their commits."""
