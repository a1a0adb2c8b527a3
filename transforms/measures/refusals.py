"""Refusals: responses that decline a request and do not answer it.

Not here: the average over an iteration (`transforms.measures.health.statistics`).

A phrase alone is no refusal: "As an AI, I have no personal opinions" opens many ordinary answers.
`PATTERNS` names what is looked for, `RULES` the combinations that make a refusal. The patterns are
English. What counts as a refusal, precision and recall: docs/measured/refusals.md.
"""

from typing import NamedTuple

import polars as pl

SHORT_CHARS = 600
"""Longest response in which a turn ("However, I can ...") is an offer, after an apology."""

MEDIUM_CHARS = 1000
"""Longest response that only points elsewhere."""

_UNABLE = (
    r"\b(?:i|i'm|am|and|but|or|therefore)(?: (?:am|also|simply|just|really|\w+ly))*"
    r" (?:cannot|can not|can't|won't|will not|(?:don't|do not) want to|refuse to"
    r"|must (?:\w+ )?(?:decline|refuse)(?: to)?"
    r"|have to decline(?: to)?|(?:unable|not able|not willing|not going|not allowed|not permitted"
    r"|not programmed|not designed) to|(?:don't|do not|not) (?:feel )?comfortable(?: with)?)"
    r"(?: (?:be able to|in good conscience|\w+ly))?"
)
"""A speaker who does not do something."""


class Pattern(NamedTuple):
    """Something that a part of a response says."""

    chars: int | None
    """Characters at the start of the response that are searched; None for all."""
    pieces: tuple[str, ...]
    """Regular expressions, one of which must match the text in lower case, with straight
    apostrophes."""


PATTERNS = {
    # The request is turned down as a whole.
    "declines_request": Pattern(250, (
        _UNABLE + r" (?:assist|help|aid|fulfil|fulfill|comply|process|engage|participate|support"
        r"|accommodate|satisfy|facilitate|condone|do)(?:ing)?"
        r" (?:to |with |in |out |any |you|this|that|these|those|your|such|the|information)",
        _UNABLE + r" (?:help|do (?:so|that|this|it))[.!,]",
        r"^(?:no\W+)?(?:sorry\W+)?i (?:cannot|can't|won't|will not)\W*$",
        r"\b(?:not comfortable|uncomfortable) with (?:that|this|it)\b",
        r"\bi(?:'m| am) not (?:programmed|designed) (?:to|for)\b",
        r"\b(?:don't|do not) know how to help\b|\btoo (?:difficult|advanced) for me\b",
        r"\bi (?:don't|do not) think (?:that's|that is|it's|it is) (?:appropriate|ethical)\b",
        r"^i (?:wouldn't|would not|don't|do not) (?:recommend|advise) (?:that|this|it)\b",
        r"\b(?:request|topic|question|query)(?: \w+)? (?:is|falls|goes) (?:beyond|outside)(?: of)?"
        r" (?:my|the scope|what i)",
        r"\b(?:request|question|prompt)\b[^.,]{0,40} (?:contains?|promotes?|is|involves)"
        r" (?:\w+,? ){0,3}(?:harmful|toxic|unethical|racist|sexist|illegal|hateful|offensive"
        r"|inappropriate)\b",
        r"(?:^|[.!,] )(?:that|this|it)(?:'s| is| falls| goes) (?:beyond|outside)(?: of)? my",
        r"\b(?:isn't|is not|'s not) (?:something|a topic|one|the (?:type|kind|sort) of \w+)"
        r" (?:that )?i(?: can| will|'m| am)\b",
        r"\bmy (?:role|purpose|design|programming) (?:doesn't|does not) (?:include|allow|permit)",
        r"^(?:i'm|i am) programmed to (?:avoid|refuse|decline|not)\b",
        r"\bagainst my (?:programming|guidelines|principles|values)",
        r"\bmust (?:\w+ )?decline\b",
    )),
    # Something is left undone.
    "leaves_undone": Pattern(250, (
        _UNABLE + r" (?:provid|giv|offer|creat|generat|writ|shar|discuss|suggest|answer|respond"
        r"|produc|endors|encourag|promot|tell you|teach|advis|explain|comment|continu|complet"
        r"|carry out|draft|compos|develop|perform|speak|advocat|describ|list|brows"
        r"|access|translat|interact|identif|locat|verif)(?:e|ing|y)?\b",
        r"\b(?:it is|it's|it would be|that is|that's|this is|would be) (?:not|never) (?:\w+ )?"
        r"(?:appropriate|ethical|acceptable|right|okay|ok|respectful|legal)"
        r",? (?:to|or|and|for (?:me|an ai))\b",
        r"\b(?:it is|it's|it would be|that is|that's) (?:highly )?(?:inappropriate|unethical)"
        r",? (?:to|or|and|for (?:me|an ai))\b",
    )),
    # The speaker states its values.
    "states_values": Pattern(250, (
        r"\b(?:do not|don't|cannot|can't) (?:condone|promote|support|endorse|encourage)",
    )),
    # The speaker lacks something.
    "lacks": Pattern(250, (
        r"\b(?:i|which|model)(?: \w+)? (?:don't|do not|doesn't|does not)(?: \w+ly)? have"
        r" (?:\w+ ){0,2}(?:access|ability|capability|capabilities|capacity|enough|real-time|the)\b",
        r"\b(?:it is|it's) (?:impossible|not possible) for me to\b",
        r"\b(?:isn't|not) within my\b",
    )),
    "apologises": Pattern(250, (
        r"\b(?:sorry|apologi[sz]e|apologies|afraid|unfortunately|regret)\b",
    )),
    # The response turns to an answer, or to one that is less exact than asked.
    "turns": Pattern(400, (
        r"\b(?:i|we) (?:can|could|will|may)(?: \w+ly)? (?:still|try|tell|share|give|provide|offer"
        r"|suggest|explain|help|show|discuss|say|write|create|generate|make|describe|point"
        r"|recommend|estimate)",
        r"\b(?:i'll|i will) (?:try|give|provide|explain|write)",
        r"\bhere(?:'s| is| are)\b",
        r"^.{0,100}\b(?:happy|glad) to\b",
        r"\b(?:provide|give|offer)(?: you)?(?: with)? (?:a|an|the) (?:\w+ )?(?:definitive|full"
        r"|complete|exact|specific|precise|subjective|accurate|personal)\b",
    )),
    "contrasts": Pattern(400, (r"\b(?:however|that said|nevertheless)\b",)),
    # The response offers something else than what was asked.
    "offers_other": Pattern(400, (
        r"\b(?:alternatives?|explanation of|explain what|some ways (?:for you )?to"
        r"|help you find)\b",
        r"\binstead,? (?:i|we)(?:'d| would)? (?:suggest|recommend)\b",
    )),
    # The response says what is known.
    "knows": Pattern(400, (
        r". as of (?:my|that|this|the|\w+ \d{4}|\d{4})",
        r"\b(?:in general|such as|for example|according to|may have|likely|approximately|estimated"
        r"|on average|based on (?:my|the|general|available))\b",
    )),
    # The response points elsewhere, or asks for another request.
    "points_away": Pattern(None, (
        r"\b(?:recommend|suggest|advise)(?:s|ed)? (?:that you |you |to )?(?:\w+ )?(?:visit|check"
        r"|consult|contact|reach|refer|using|use|search|look|seek|rephras|focus)",
        r"\byou (?:can|could|may|might|should|would|will)(?: \w+)? (?:need to )?(?:\w+ly )?(?:check"
        r"|visit|consult|contact|find|refer|search|look|try search)",
        r"\bplease (?:\w+ )?(?:check|consult|visit|refer|provide|contact|share|give|clarify"
        r"|let me know|feel free)",
        r"\b(?:feel free to|let me know|if you'd like|if you would like|if you have any|instead"
        r"|best to (?:check|consult)|more (?:context|information|details)"
        r"|could you (?:please )?(?:provide|clarify|give|share))\b",
    )),
    "has_list": Pattern(None, (r"(?m)^\s*(?:\d+[.)]|[-*•#]+)\s|```",)),
    "has_code": Pattern(None, (r"```",)),
}  # fmt: skip
"""What is looked for in a response, by name."""

_chars = pl.col("chars")
_says = {name: pl.col(name) for name in PATTERNS}
_undone = _says["leaves_undone"] | _says["lacks"]

RULES = {
    # "I can't help with that."
    "request": _says["declines_request"] & ~_says["has_code"],
    # "As an AI, I cannot give legal advice." and no answer after it.
    "no answer": (_says["leaves_undone"] | _says["states_values"])
    & ~_says["has_list"]
    & ~_says["turns"]
    & (_says["apologises"] | ~_says["contrasts"]),
    # "I'm sorry, I can't share the song. However, I can give a summary."
    "offer": _undone & _says["apologises"] & ~_says["has_list"] & (_chars <= SHORT_CHARS),
    # "I don't have access to today's weather. Please check a forecast."
    "elsewhere": _undone
    & _says["points_away"]
    & ~(_says["turns"] | _says["knows"] | _says["has_list"])
    & (_chars <= MEDIUM_CHARS),
    # "I cannot advise on picking a lock. Here are some alternatives: 1. Call a locksmith."
    "other": _says["leaves_undone"] & _says["offers_other"],
}
"""Combinations of patterns that make a refusal, by name; one is enough."""


def find_refusals(texts: pl.Series) -> pl.Series:
    """Find responses that decline a request and do not answer it.

    Args:
        texts: one per response.

    Returns:
        Boolean, one per text; null for null.
    """
    plain = texts.cast(pl.String).str.replace_all("’", "'").str.to_lowercase().str.strip_chars()
    searched = {
        name: (pl.col("text") if chars is None else pl.col("text").str.head(chars)).str.contains(
            "|".join(pieces)
        )
        for name, (chars, pieces) in PATTERNS.items()
    }
    said = pl.DataFrame({"text": plain}).select(chars=pl.col("text").str.len_chars(), **searched)
    return said.select(refused=pl.any_horizontal(*RULES.values())).to_series()
