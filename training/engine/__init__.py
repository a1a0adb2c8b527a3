"""Sampling with vLLM: the engine, the sampler, replicas, chunks on disk, background commits."""
