"""What a recipe may say of the models: settings of each thing, a file each. Imports no torch.

A default taken from the paper (Dong et al. 2024, arXiv 2405.07863) quotes it. Settings classes
are named apart from TRL's `SFTConfig`, `DPOConfig` and vLLM's `SamplingParams`.
"""
