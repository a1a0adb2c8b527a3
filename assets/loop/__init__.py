"""Assets of the loop: models, each iteration's responses, scores, pairs and policy, baselines."""
