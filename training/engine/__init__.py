"""Sampling with vLLM: engine, sampler, replicas, chunk files, background commits."""
