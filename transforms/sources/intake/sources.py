"""A source of a recipe with its catalogue entry, roles, options and origin.

Values that a recipe leaves out are filled in from the catalogue. Not here: the catalogue
(`transforms.sources.catalog`), reading (`transforms.sources.files.reading`).
"""

import difflib
from dataclasses import dataclass

from pydantic import ValidationError

from transforms.settings.source_options import SourceOptions
from transforms.settings.sources import OriginSettings, Role, SourceSettings
from transforms.settings.validation_errors import convert_validation_error
from transforms.sources.catalog import CATALOGUE
from transforms.sources.layouts.entry import Entry, Layout
from transforms.sources.layouts.references import add_reference


@dataclass(frozen=True)
class Source:
    """One source, ready to be read."""

    name: str
    """Name in the recipe; the raw table is `raw_<name>`."""
    entry_name: str
    entry: Entry
    roles: tuple[Role, ...]
    """Uses of its rows."""
    options: SourceOptions
    origin: OriginSettings
    """Files, or hub id, split and revision; gaps are filled in from the entry."""
    reference: str | None = None
    """Native column of the prompts' references; the entry reads it."""
    instructions: int | None = None
    """Maximum number of instructions that are composed onto each prompt, also of pairs; null:
    none."""

    @property
    def has_references(self) -> bool:
        """Whether every prompt of the source has a reference."""
        return self.reference is not None or self.instructions is not None

    def dump_references(self) -> dict[str, str | int]:
        """Return the settings of references that are set, as recorded settings."""
        settings = {"reference": self.reference, "instructions": self.instructions}
        return {key: value for key, value in settings.items() if value is not None}

    def layout(self, role: Role) -> Layout:
        """Return the conversion of native rows to standard rows of a role."""
        return self.entry.layouts[role]


def resolve(name: str, settings: SourceSettings) -> Source:
    """Resolve a source of a recipe with its catalogue entry.

    Raises:
        ValueError: the catalogue has no such entry; the entry does not have a role or an option, or
            an option is out of range; a reference that cannot be read as text; a hub revision
            without a dataset id. The message contains the allowed values.
    """
    entry_name = settings.entry or name
    entry = CATALOGUE.get(entry_name)
    if entry is None:
        close = difflib.get_close_matches(entry_name, CATALOGUE, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(sorted(CATALOGUE))}"
        raise ValueError(f"sources.{name}: the catalogue has no entry {entry_name!r}; {hint}")
    roles = settings.roles or (next(iter(entry.layouts)),)
    if unknown := [role for role in roles if role not in entry.layouts]:
        raise ValueError(
            f"sources.{name}: entry {entry_name} gives {', '.join(entry.layouts)}, not "
            f"{', '.join(unknown)}"
        )
    if settings.reference and "prompts" not in roles:
        raise ValueError(f"sources.{name}: only a source with the role prompts has references")
    if settings.instructions and not {"prompts", "preferences"} & set(roles):
        raise ValueError(f"sources.{name}: demonstrations have no instructions")
    if settings.reference is not None:
        entry = add_reference(name, entry, settings.reference)
    try:
        options = entry.options.model_validate(settings.options)
    except ValidationError as error:
        raise convert_validation_error(
            error,
            f"sources.{name}.options are refused",
            model=entry.options,
            prefix=f"sources.{name}.options",
        ) from None
    if options.max_pairs_per_prompt is not None and entry.group_by is None:
        raise ValueError(
            f"sources.{name}: max_pairs_per_prompt needs an entry that names its prompt column; "
            f"{entry_name} does not"
        )
    hub_id = settings.hub_id or entry.hub_id
    if settings.revision and hub_id is None:
        raise ValueError(f"sources.{name}: entry {entry_name} has no hub id; name hub_id or files")
    origin = OriginSettings(
        files=settings.files,
        hub_id=hub_id if settings.revision else None,
        hub_split=settings.hub_split or entry.hub_split,
        hub_dirs=settings.hub_dirs or entry.hub_dirs,
        revision=settings.revision,
        max_rows=settings.max_rows,
    )
    return Source(
        name,
        entry_name,
        entry,
        roles,
        options,
        origin,
        reference=settings.reference,
        instructions=settings.instructions,
    )
