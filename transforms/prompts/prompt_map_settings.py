"""Settings of the map of prompts, apart from `prompt_map`, which loads scikit-learn."""

from typing import Self

from pydantic import Field, model_validator

from transforms.settings import Settings


class PromptMapSettings(Settings):
    """How the prompts are laid out in two dimensions and grouped into topics (paper, Figure 7)."""

    embedding_model: str | None = None
    """Local folder or hub id of a sentence-transformers model; null takes TF-IDF. The paper used
    nomic-embed-text-v1.5. Code that comes with a model is never run."""
    embedding_revision: str | None = None
    """Git revision of the hub model; required with a hub id: a rerun reads the same weights."""
    max_prompts: int = Field(default=10_000, ge=100)
    """Most prompts on the map; over it, those with the lowest hashes are drawn. Time grows a little
    faster than their number: 10,000 take about forty seconds on two cores."""
    topics: int = Field(default=20, ge=2, le=100)
    """Topics, found by k-means."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sample, the layout and the topics."""

    @model_validator(mode="after")
    def _revision_of_a_model(self) -> Self:
        if self.embedding_revision is not None and self.embedding_model is None:
            raise ValueError("embedding_revision is set, but embedding_model is not")
        return self
