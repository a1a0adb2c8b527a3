"""Assets of the data: sources, preference pairs, prompts, what is counted of them."""
