"""Settings of training, sampling, ranking and evaluation in a recipe. Imports no torch.

A default from the paper (Dong et al. 2024, arXiv 2405.07863) quotes it. The names of these classes
end in `Settings`, unlike TRL's `SFTConfig` and `DPOConfig` and vLLM's `SamplingParams`.
"""
