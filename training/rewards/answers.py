r"""Answers compared with references: equal texts, equal last numbers.

A number may have commas between thousands, a currency sign, a percent sign, and may be in
`\boxed{...}`; `\frac{a}{b}` and `a/b` are fractions. Not here: programs
(`training.rewards.programs`), instructions (`transforms.prompts.instructions`).
"""

import re
from fractions import Fraction

FRACTION = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-−])?(?:[$€£]\s?)?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)?"
    r"(?P<decimals>(?<=\d)\.\d+|(?<!\d)\.\d+)?(?:\s?/\s?(?P<below>\d+))?"
)


def match_text(response: str, reference: str) -> float:
    """Return 1 if the texts are equal without the white space at their ends, else 0."""
    return float(response.strip() == reference.strip())


def match_number(response: str, reference: str) -> float:
    """Return 1 if the last numbers of both texts are equal, else 0."""
    found = read_last_number(response)
    return float(found is not None and found == read_last_number(reference))


def read_last_number(text: str) -> Fraction | None:
    r"""Read the last number of a text, or of its last `\boxed{...}`; None if there is none."""
    plain = FRACTION.sub(r"\1/\2", text.replace("\\$", "$").replace("\\%", "%"))
    boxed = BOXED.findall(plain)
    numbers = [
        number
        for found in NUMBER.finditer(boxed[-1] if boxed else plain)
        if (number := _convert(found)) is not None
    ]
    return numbers[-1] if numbers else None


def _convert(found: re.Match[str]) -> Fraction | None:
    whole, decimals, below = found["whole"], found["decimals"], found["below"]
    if whole is None and decimals is None:
        return None
    try:
        number = Fraction((whole or "0").replace(",", "") + (decimals or "")) / int(below or 1)
    except (ValueError, ZeroDivisionError):  # Python converts at most 4,300 digits
        return None
    return -number if found["sign"] else number
