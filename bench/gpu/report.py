"""Printed output of the GPU check: versions and tables."""

import importlib.metadata
import sys
from typing import Any

FIGURES = (
    "elapsed_s",
    "tokens_per_s",
    "steps_per_s",
    "engine_start_s",
    "peak_mib",
    "left_mib",
    "after_exit_mib",
)


def read_versions() -> dict[str, str]:
    """Read the versions of the libraries; `missing` if one is not installed."""
    found = {"python": sys.version.split()[0]}
    for name in ("torch", "transformers", "trl", "accelerate", "vllm", "polars"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def print_tables(results: dict[str, dict[str, Any]]) -> None:
    """Print outcomes and figures, then differences and their tolerances."""
    print("\n" + "".join(f"{name:>16}" for name in ("stage", "outcome", *FIGURES)))
    for stage, result in results.items():
        cells = [f"{result[name]:,.1f}" if name in result else "-" for name in FIGURES]
        print("".join(f"{cell:>16}" for cell in (stage, result["outcome"], *cells)))
    print(
        "\n"
        + "".join(
            f"{name:>18}" for name in ("stage", "quantity", "dtype", "difference", "tolerance")
        )
    )
    for stage, result in results.items():
        for row in result.get("differences", ()):
            sign = "" if row["within"] else "  OUT OF TOLERANCE"
            cells = (stage, row["quantity"], row["dtype"])
            numbers = (f"{row['difference']:.2e}", f"{row['tolerance']:g}")
            print("".join(f"{cell:>18}" for cell in cells + numbers) + sign)
    print()
