"""Rankers on labelled pairs (RewardBench, LLMBar, JudgeBench, RM-Bench): pairs and results.

Not here: computing rewards (`training`).
"""
