"""Verifiable instructions: kinds whose fulfilment a program checks, composed onto prompts.

Source of the idea: Zhou et al. 2023 (IFEval, arXiv 2311.07911). The kinds, their sentences and
their values are of this project. Not here: the reward that reads them (`training.rewards`).
"""
