"""Settings of rewards that a recipe brings, the files of their functions, and of ensembles.

Imports no torch.
"""
