"""Output for people: figures, the HTML page of a lake, lineage. Not here: statistics."""
