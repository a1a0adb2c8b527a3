"""The catalogue: public datasets by name. `transforms.layouts.entry` says what an entry holds."""

from transforms.catalog import (
    distilabel_preferences,
    human_preferences,
    layouts,
    model_preferences,
    open_labels,
    open_pairs,
    open_prompts,
    open_sets,
    paper_demonstrations,
    paper_prompts,
)
from transforms.layouts.entry import Entry

CATALOGUE: dict[str, Entry] = {
    **layouts.ENTRIES,
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
"""Every entry by the name that a recipe writes."""
