import pytest
from pydantic import ValidationError

from transforms.settings.prompts import (
    DecontaminationSettings,
    NearDuplicateSettings,
    PromptSettings,
)


def test_near_duplicates_are_off_and_screening_is_for_13_words():
    settings = PromptSettings()
    assert settings.near_duplicates is None
    assert settings.decontamination.ngram_words == 13


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (NearDuplicateSettings, "threshold", 0.4),
        (NearDuplicateSettings, "threshold", 1.1),
        (NearDuplicateSettings, "shingle_chars", 1),
        (NearDuplicateSettings, "permutations", 32),
        (NearDuplicateSettings, "seed", -1),
        # the SQL check looks for 13 words: a recipe may not allow more to be shared
        (DecontaminationSettings, "ngram_words", 14),
        (DecontaminationSettings, "ngram_words", 7),
        (PromptSettings, "near_duplicate", {}),
    ],
)
def test_impossible_values_and_unknown_keys_are_refused(kind, key, value):
    with pytest.raises(ValidationError, match=key):
        kind(**{key: value})
