"""Assets of the data: sources, preference pairs, prompts, their statistics."""
