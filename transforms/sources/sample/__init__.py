"""The sample task: chat prompts whose gold reward is a program, so that a claim can be checked.

Not here: anything that the loop needs on real data.
"""
