"""The table `reference_logps`: log-probabilities under a reference, computed once per sequence.

Not here: the computation (`training.reference_logps`).

A sequence is identified by its token ids alone: not by a row number, a setting of the training, or
the iteration of its pair. Truncation is not part of the identifier either: a pair that does not fit
is dropped, and a truncated sequence would have other ids.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import polars as pl

from transforms.identity import FIELD, hash_text
from transforms.lake.chunks import Chunks
from transforms.lake.lake import Lake
from transforms.settings.commits import DEFAULT_COMMITS, CommitSettings

TABLE = "reference_logps"
SIDES = ("chosen", "rejected")

LOGPS = {"sequence_id": pl.String, "completion_tokens": pl.Int32, "logp": pl.Float64}
"""Columns of a computed row, without its reference and compute type."""


def list_columns(sides: Sequence[str] = SIDES) -> list[str]:
    """Return the columns of a training row with reference log-probabilities.

    prompt_ids and <side>_ids (token ids); length (of the longest sequence, tokens); rendering_id
    (tokenizer and chat template that made the token ids, `training.models.rendering`);
    ref_<side>_logps (nats), the names that TRL reads for a pair.
    """
    ids = [f"{side}_ids" for side in sides]
    return ["prompt_ids", *ids, "length", "rendering_id", *(f"ref_{side}_logps" for side in sides)]


def add_sequence_ids(pairs: pl.DataFrame, sides: Sequence[str] = SIDES) -> pl.DataFrame:
    """Add <side>_sequence_id (chosen_sequence_id, rejected_sequence_id) to tokenized pairs.

    Prompt and completion are hashed separately: the log-probability is a sum over the tokens of the
    completion, and differs if the same tokens are split elsewhere.
    """
    return pairs.with_columns(
        hash_text(
            pl.concat_str(_join_ids("prompt_ids"), pl.lit(FIELD), _join_ids(f"{side}_ids"))
        ).alias(f"{side}_sequence_id")
        for side in sides
    )


def _join_ids(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.List(pl.String)).list.join(" ")


def list_sequences(
    pairs: pl.DataFrame, max_tokens: int, sides: Sequence[str] = SIDES
) -> pl.DataFrame:
    """List the distinct sequences of the tokenized pairs that fit, without their token ids.

    Args:
        pairs: length (tokens) and <side>_sequence_id of each side.
        max_tokens: longest pair that fits.
        sides: the responses of a row.

    Returns:
        sequence_id, and the first place of the sequence: row (number in `pairs`), side.
    """
    ids = pairs.select("length", *(f"{side}_sequence_id" for side in sides)).with_row_index("row")
    fitting = ids.filter(pl.col("length") <= max_tokens)
    found = [
        fitting.select("row", sequence_id=f"{side}_sequence_id", side=pl.lit(side))
        for side in sides
    ]
    return pl.concat(found).unique("sequence_id", keep="first", maintain_order=True)


def gather_tokens(
    pairs: pl.DataFrame, sequences: pl.DataFrame, sides: Sequence[str] = SIDES
) -> pl.DataFrame:
    """Return the token ids of sequences, in their order: sequence_id, prompt_ids, completion_ids.

    Args:
        pairs: prompt_ids and <side>_ids of each side.
        sequences: rows of `list_sequences` of these pairs.
        sides: the responses of a row.
    """
    found = []
    for side in sides:
        places = sequences.with_row_index("place").filter(side=side)
        tokens = pairs.select("prompt_ids", completion_ids=f"{side}_ids")[places["row"]]
        found.append(tokens.select(places["place"], places["sequence_id"], pl.all()))
    return pl.concat(found).sort("place").drop("place")


def sort_by_length(
    pairs: pl.DataFrame, sequences: pl.DataFrame, sides: Sequence[str] = SIDES
) -> pl.DataFrame:
    """Sort rows of `list_sequences` by the tokens of the longest one of their row, longest first.

    The sequences of a row stay together, because they share their prompt. Arguments as in
    `gather_tokens`.
    """
    prompt = pl.col("prompt_ids").list.len()
    tokens = pl.concat(
        pairs.select(
            pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
            side=pl.lit(side),
            tokens=prompt + pl.col(f"{side}_ids").list.len(),
        )
        for side in sides
    )
    counted = sequences.join(tokens, on=["row", "side"], how="left", maintain_order="left")
    longest = pl.col("tokens").max().over("row")
    by_length = counted.sort(longest, "row", descending=[True, False], maintain_order=True)
    return by_length.drop("tokens")


def join_logps(
    pairs: pl.DataFrame, logps: pl.DataFrame, sides: Sequence[str] = SIDES
) -> pl.DataFrame:
    """Replace the sequence ids of pairs by ref_<side>_logps; the order of rows stays.

    Args:
        pairs: <side>_sequence_id of each side, and any other columns.
        logps: sequence_id (unique), logp; a missing sequence gets null.
        sides: the responses of a row.
    """
    for side in sides:
        # a join of all columns would copy the token ids
        joined = pairs.select(sequence_id=f"{side}_sequence_id").join(
            logps.select("sequence_id", "logp"),
            on="sequence_id",
            how="left",
            maintain_order="left",
            validate="m:1",
        )
        pairs = pairs.with_columns(joined["logp"].alias(f"ref_{side}_logps"))
    return pairs.drop(f"{side}_sequence_id" for side in sides)


class ReferenceLogps:
    """The rows of one reference and compute type."""

    def __init__(
        self,
        lake: Lake,
        reference_id: str,
        dtype: str,
        commits: CommitSettings = DEFAULT_COMMITS,
    ) -> None:
        """Open the rows of a reference (checkpoint id) that computes in `dtype`."""
        self._lake, self._commits = lake, commits
        self._keys = {"reference_id": reference_id, "dtype": dtype}

    def read_known(self, wanted: pl.DataFrame) -> pl.DataFrame:
        """Return the rows (`LOGPS`) of the wanted sequences that are already computed.

        Two runs at the same time may both compute a sequence, in different batches and so with
        different last digits; every reader takes the lower value.
        """
        return (
            self._lake.scan_or_empty(TABLE, **self._keys)
            .select(list(LOGPS))
            .join(wanted.lazy().select("sequence_id"), on="sequence_id", how="semi")
            .sort("sequence_id", "logp")
            .unique("sequence_id", keep="first", maintain_order=True)
            .collect()
        )

    @contextmanager
    def append_chunks(self) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Yield a function that appends a chunk of computed rows (`LOGPS`)."""
        keys = {name: pl.lit(value) for name, value in self._keys.items()}
        with Chunks(self._lake, TABLE, self._commits) as append:
            yield lambda computed: append(computed.with_columns(**keys))
