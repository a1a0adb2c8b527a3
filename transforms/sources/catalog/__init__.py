"""The catalogue: public datasets by name.

Not here: the fields of an entry (`transforms.sources.layouts.entry`).
"""

from transforms.sources.catalog import (
    distilabel_preferences,
    generic,
    human_preferences,
    llama_factory,
    model_preferences,
    open_labels,
    open_pairs,
    open_prompts,
    open_rlhf,
    open_sets,
    paper_demonstrations,
    paper_prompts,
    trl,
)
from transforms.sources.layouts.entry import Entry

CATALOGUE: dict[str, Entry] = {
    **generic.ENTRIES,
    **trl.ENTRIES,
    **llama_factory.ENTRIES,
    **open_rlhf.ENTRIES,
    **human_preferences.ENTRIES,
    **model_preferences.ENTRIES,
    **distilabel_preferences.ENTRIES,
    **paper_prompts.ENTRIES,
    **paper_demonstrations.ENTRIES,
    **open_pairs.ENTRIES,
    **open_labels.ENTRIES,
    **open_sets.ENTRIES,
    **open_prompts.ENTRIES,
}
"""All entries by their names in a recipe."""
