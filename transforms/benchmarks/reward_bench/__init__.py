"""RewardBench and its relatives: sets, pairs, sections, results.

Not here: computing a reward (`training`).
"""
