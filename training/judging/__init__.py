"""A chat model as judge: how it is reached and asked, what it answers, rewards from verdicts."""
