"""The sample task: chat prompts whose gold reward is a program, so that results can be checked.

Not here: anything that the loop needs on real data.
"""
