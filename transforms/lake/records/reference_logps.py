"""The table `reference_logps`: log-probabilities under a reference, computed once per sequence.

Holds the identifier of a sequence, the known rows of a reference, and their join with pairs. Not
here: computing log-probabilities (`training.reference_logps`).

A sequence is identified by its token ids, so that neither a row's number, nor a setting of the
training, nor the iteration in which a pair came up is part of the identifier. Truncation needs no
part either: a pair that does not fit is dropped, and a sequence that was cut would have other ids.
"""

from collections.abc import Sequence

import polars as pl

from transforms.identity import FIELD, hash_text
from transforms.lake.lake import Chunks, Lake

TABLE = "reference_logps"
SIDES = ("chosen", "rejected")

LOGPS = {"sequence_id": pl.String, "completion_tokens": pl.Int32, "logp": pl.Float64}
"""A computed row, before it gets its reference and its compute type."""


def list_columns(sides: Sequence[str] = SIDES) -> list[str]:
    """Return the columns that a row is trained on, where a reference was run over it.

    prompt_ids and <side>_ids (token ids); length (of the longest sequence, tokens); rendering_id
    (tokenizer and chat template that gave the token ids, `training.models.rendering`); and
    ref_<side>_logps (nats), by the names that TRL reads for a pair.
    """
    ids = [f"{side}_ids" for side in sides]
    return ["prompt_ids", *ids, "length", "rendering_id", *(f"ref_{side}_logps" for side in sides)]


def add_sequence_ids(pairs: pl.DataFrame, sides: Sequence[str] = SIDES) -> pl.DataFrame:
    """Add <side>_sequence_id (chosen_sequence_id, rejected_sequence_id) to tokenised pairs.

    The prompt's and the completion's ids enter apart: the same tokens, cut elsewhere, sum over
    others.
    """
    return pairs.with_columns(
        hash_text(
            pl.concat_str(_written("prompt_ids"), pl.lit(FIELD), _written(f"{side}_ids"))
        ).alias(f"{side}_sequence_id")
        for side in sides
    )


def _written(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.List(pl.String)).list.join(" ")


def list_sequences(pairs: pl.DataFrame, sides: Sequence[str] = SIDES) -> pl.DataFrame:
    """List the distinct sequences of tokenised pairs: sequence_id, prompt_ids, completion_ids."""
    found = [
        pairs.select(
            pl.col(f"{side}_sequence_id").alias("sequence_id"),
            "prompt_ids",
            pl.col(f"{side}_ids").alias("completion_ids"),
        )
        for side in sides
    ]
    return pl.concat(found).unique("sequence_id", maintain_order=True)


def join_logps(
    pairs: pl.DataFrame, logps: pl.DataFrame, sides: Sequence[str] = SIDES
) -> pl.DataFrame:
    """Replace the sequence ids of pairs by ref_<side>_logps (ref_chosen_logps), in their order.

    Args:
        pairs: <side>_sequence_id of each side, and anything else.
        logps: sequence_id (each once), logp; a sequence that is not there gets null.
        sides: the responses of a row.
    """
    for side in sides:
        pairs = pairs.join(
            logps.select(
                pl.col("sequence_id").alias(f"{side}_sequence_id"),
                pl.col("logp").alias(f"ref_{side}_logps"),
            ),
            on=f"{side}_sequence_id",
            how="left",
            maintain_order="left",
            validate="m:1",
        )
    return pairs.drop(f"{side}_sequence_id" for side in sides)


class ReferenceLogps:
    """The rows of one reference and compute type."""

    def __init__(self, lake: Lake, reference_id: str, dtype: str) -> None:
        """Name the reference's checkpoint, and the type that it computes in."""
        self._lake = lake
        self._keys = {"reference_id": reference_id, "dtype": dtype}
        self._append = Chunks(lake, TABLE)

    def known(self, wanted: pl.DataFrame) -> pl.DataFrame:
        """Read what is known of the wanted sequences: sequence_id, completion_tokens, logp.

        Two runs at the same time may both have computed a sequence, in other batches and so with
        another last digit; every reader takes the lower value.
        """
        if not self._lake.exists(TABLE):
            return pl.DataFrame(schema=LOGPS)
        return (
            self._lake.scan(TABLE, **self._keys)
            .select(list(LOGPS))
            .join(wanted.lazy().select("sequence_id"), on="sequence_id", how="semi")
            .sort("sequence_id", "logp")
            .unique("sequence_id", keep="first", maintain_order=True)
            .collect()
        )

    def commit(self, computed: pl.DataFrame) -> None:
        """Append a chunk of computed rows (`LOGPS`) in one commit."""
        self._append(computed.with_columns(**{key: pl.lit(v) for key, v in self._keys.items()}))
