"""The class that every group of settings extends."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A group of settings: immutable, and an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
