"""Sampling with vLLM: the engine, the sampler that keeps it busy, replicas, background commits."""
