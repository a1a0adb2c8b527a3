"""Tables of materializations and their costs, and tables that are computed when they are read."""

import polars as pl

from transforms.lake.schemas.table import WRITTEN, Column, Table

ASSET = Column(pl.String, "materialized asset")
EXPERIMENT = Column(pl.String, "experiment of the asset; `shared`: all experiments")
OUTPUT_ID = Column(pl.String, "table@version, or checkpoint id")

TABLES: dict[str, Table] = {
    "materializations": Table(
        grain="One row per materialization of an asset: its inputs, settings and output.",
        columns={
            "asset": ASSET,
            "experiment": EXPERIMENT,
            "output_id": OUTPUT_ID,
            "settings": Column(pl.String, "settings that the asset depends on, JSON"),
            "inputs": Column(pl.String, "upstream asset -> output id, JSON"),
            "tables": Column(
                pl.String, "table@version -> slices that the asset replaced there, JSON; or null"
            ),
            "run_id": Column(pl.String, "run of the orchestrator"),
            "elapsed_s": Column(pl.Float64, "time of the asset's own work", "seconds"),
            **WRITTEN,
        },
    ),
    "costs": Table(
        grain="One row per materialization: its time, rows, tokens and bytes.",
        columns={
            "asset": ASSET,
            "experiment": EXPERIMENT,
            "output_id": OUTPUT_ID,
            "run_id": Column(pl.String, "run of the orchestrator"),
            "elapsed_s": Column(pl.Float64, "time of the asset's own work", "seconds"),
            "rows": Column(pl.Int64, "rows of its table, or examples of all epochs; null: neither"),
            "tokens": Column(pl.Int64, "tokens sampled or trained on; null: neither", "tokens"),
            "bytes": Column(pl.Int64, "written to the lake, with checkpoints", "bytes"),
            **WRITTEN,
        },
    ),
}

COMPUTED: dict[str, Table] = {
    "table_history": Table(
        grain="One row per commit that the log of a table has.",
        columns={
            "table": Column(pl.String, "table of the lake"),
            "version": Column(pl.Int64, "version that the commit made, from 0"),
            "timestamp": Column(pl.Datetime("ms", "UTC"), "when the commit was made"),
            "operation": Column(pl.String, "WRITE | DELETE | OPTIMIZE | …: operation of Delta"),
            "slice": Column(
                pl.String, "replaced predicate; empty: whole table, or an append; null: upkeep"
            ),
            "rows_added": Column(pl.Int64, "rows of the files that were added"),
            "rows_removed": Column(
                pl.Int64, "rows of the files that were removed; null: not in the log"
            ),
            "files_added": Column(pl.Int64, "files that were added"),
            "files_removed": Column(pl.Int64, "files that were removed"),
            "bytes_added": Column(pl.Int64, "size of the files that were added", "bytes"),
        },
    ),
    "benchmark_columns": Table(
        grain="One row per report of benchmarks and column of it.",
        columns={
            "place": Column(pl.UInt32, "position of the column, from 0"),
            "benchmark": Column(pl.String, "kind of the benchmark"),
            "metric": Column(pl.String, "metric of benchmark_results that is shown"),
            "report": Column(pl.String, "report of `sql/reports`"),
            "name": Column(pl.String, "name of the column"),
            "bar": Column(pl.String, "title in Figure 8"),
            "scale": Column(pl.Int64, "factor of the value in Figure 8"),
        },
    ),
    "raw_row_keys": Table(
        grain="One row per row of a raw table.",
        columns={
            "source": Column(pl.String, "source of the recipe"),
            "row_key": Column(pl.String, "row of the source"),
        },
    ),
    "measured_preference_pairs": Table(
        grain="One row per kept comparison: the lengths of its texts.",
        columns={
            "pair_id": Column(pl.String, "the pair, in preference_pairs"),
            "prompt_id": Column(pl.String, "hash of the prompt's messages"),
            "source": Column(pl.String, "source of the recipe"),
            "split": Column(pl.String, "train | reward_validation"),
            "margin": Column(pl.Float64, "chosen_score minus rejected_score", "source's units"),
            "prompt_chars": Column(pl.Int64, "length of the texts of the prompt", "chars"),
            "chosen_chars": Column(pl.Int64, "length of the text of chosen", "chars"),
            "rejected_chars": Column(pl.Int64, "length of the text of rejected", "chars"),
            "same_text": Column(
                pl.String, "text of chosen and rejected, if they are equal; null: they differ"
            ),
        },
    ),
}
"""Tables without files; `prefloop sql` and the statements of `sql/` use them like any other."""
