"""A rule as a part of a reward: how often a response repeats a word, for `claim.yaml`."""


def count(responses: list[str]) -> list[int]:
    """Count how many words of each response repeat an earlier one; marks such as `-` are none."""
    words = [[word for word in response.split() if word.isalpha()] for response in responses]
    return [len(found) - len(set(found)) for found in words]
