"""Chat models as judges: local and remote ones, rubrics, verdicts, and rewards from verdicts."""
