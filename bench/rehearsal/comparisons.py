"""Rows of the recipe's preference sources, in their published columns.

Columns are those that the catalogue (`transforms.sources.catalog`) documents, with the further ones
of the published files. A few rows of each source are ties, repetitions or too long, as public rows
are. Not here: rows without preferences (`bench.rehearsal.conversations`).
"""

from bench.rehearsal.conversations import Row
from bench.rehearsal.texts import Texts

MODELS = ("alpaca-7b", "gpt-4", "llama-2-7b-chat", "wizardlm-7b")


def transcript(turns: list[str]) -> str:
    """Join turns to a transcript of HH-RLHF."""
    markers = ("\n\nHuman: ", "\n\nAssistant: ")
    return "".join(markers[place % 2] + turn for place, turn in enumerate(turns))


def messages(turns: list[str]) -> list[Row]:
    """Return turns as messages, the first by the user."""
    roles = ("user", "assistant")
    return [{"role": roles[place % 2], "content": turn} for place, turn in enumerate(turns)]


def dialogue(texts: Texts, rounds: int) -> list[str]:
    """Write the turns of a conversation up to its last question."""
    earlier = [text for _ in range(rounds - 1) for text in (texts.ask(), texts.write((4, 12)))]
    return [*earlier, texts.ask()]


def hh_rlhf(texts: Texts, rows: int) -> list[Row]:
    """HH-RLHF: two transcripts; one row has equal answers, one has an empty turn."""
    found = []
    for row in range(rows):
        turns = dialogue(texts, 1 + row % 3)
        chosen, rejected = texts.answer(), texts.answer()
        if row == 1:
            rejected = chosen
        if row == 2:
            turns[-1] = ""
        sides = {"chosen": chosen, "rejected": rejected}
        found.append({side: transcript([*turns, text]) for side, text in sides.items()})
    return found


def shp(texts: Texts, rows: int) -> list[Row]:
    """SHP: comments with votes; seven pairs of the first post, some with few more votes."""
    first, found = texts.ask(), []
    for row in range(rows):
        votes = (10 + row, 2) if row % 4 else (3, 2)
        better = row % 2
        found.append(
            {
                "post_id": f"p{max(row - 6, 0)}",
                "domain": "askacademia_train",
                "upvote_ratio": 0.98,
                "history": first if row < 8 else texts.ask(),
                "c_root_id_A": f"a{row}",
                "c_root_id_B": f"b{row}",
                "created_at_utc_A": 1_600_000_000 + row,
                "created_at_utc_B": 1_600_000_100 + row,
                "score_A": votes[1 - better],
                "score_B": votes[better],
                "human_ref_A": texts.answer(),
                "human_ref_B": texts.answer(),
                "labels": better,
                "seconds_difference": 100.0,
                "score_ratio": votes[0] / votes[1],
            }
        )
    return found


def helpsteer(texts: Texts, rows: int) -> list[Row]:
    """HelpSteer: one response per row with five attributes; four responses per prompt."""
    names = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
    prompts = [texts.ask() for _ in range(rows // 4)]
    prompts[0] = texts.ask_too_long()
    return [
        {
            "prompt": prompt,
            "response": texts.answer(),
            **{name: texts.draw.randint(0, 4) for name in names},
        }
        for prompt in prompts
        for _ in range(4)
    ]


def pku_saferlhf_30k(texts: Texts, rows: int) -> list[Row]:
    """PKU-SafeRLHF-30K: two responses, the labels better and safer."""
    return [
        {
            "prompt": texts.ask(),
            "response_0": texts.answer(),
            "response_1": texts.answer(),
            "is_response_0_safe": row % 2 == 0,
            "is_response_1_safe": row % 2 == 1,
            "better_response_id": (row + row // 5) % 2,
            "safer_response_id": row % 2,
        }
        for row in range(rows)
    ]


def ultrafeedback(texts: Texts, rows: int) -> list[Row]:
    """UltraFeedback: four rated completions per instruction; ties, and one model twice."""
    found = []
    for row in range(rows // 4):
        models = MODELS if row else (*MODELS[:3], MODELS[0])
        completions = [
            {
                "annotations": {"helpfulness": {"Rating": "4", "Rationale": "made up"}},
                "critique": "made up",
                "custom_system_prompt": "made up",
                "fine-grained_score": texts.draw.choice([1.5, 2.5, 3.0, 4.25]),
                "model": model,
                "overall_score": 7.0,
                "principle": "helpfulness",
                "response": texts.answer(),
            }
            for model in models
        ]
        found.append(
            {
                "source": "made_up",
                "instruction": texts.ask() if row != 2 else texts.ask_too_long(),
                "models": list(models),
                "completions": completions,
                "correct_answers": ["None"],
                "incorrect_answers": ["None"],
            }
        )
    return found


def ultrainteract(texts: Texts, rows: int) -> list[Row]:
    """UltraInteract_pair: trajectories whose user turns contain an environment's output."""
    found = []
    for row in range(rows):
        turns = dialogue(texts, 1 + row % 3)
        speakers = ("user", "assistant")
        trajectory = [
            {"from": speakers[place % 2], "value": turn} for place, turn in enumerate(turns)
        ]
        found.append(
            {
                "task": ("Math_CoT", "Coding", "Logic")[row % 3],
                "dataset": "made_up",
                "trajectory": trajectory,
                "chosen": texts.answer(),
                "rejected": texts.answer(),
                "id": str(row),
                "parent_id": "",
            }
        )
    return found


def code_ultrafeedback(texts: Texts, rows: int) -> list[Row]:
    """CodeUltraFeedback: ratings as text in another order than the responses, some N/A."""
    found = []
    for row in range(rows // 4):
        ratings = [str(texts.draw.randint(1, 5)) for _ in MODELS]
        if row % 5 == 0:
            ratings[0] = "N/A"
        found.append(
            {
                "instruction": texts.ask(),
                "responses": [{"model": one, "response": texts.answer()} for one in MODELS],
                "annotations": [
                    {"model": one, "rating": rating, "rationale": "made up"}
                    for one, rating in reversed([*zip(MODELS, ratings, strict=True)])
                ],
                "preference": "readability",
            }
        )
    return found


def argilla_math(texts: Texts, rows: int) -> list[Row]:
    """distilabel-math-preference: two rated answers; ties are in the set."""
    return [
        {
            "metadata": "{}",
            "instruction": texts.ask(),
            "chosen_response": texts.answer(),
            "chosen_rating": 9.0,
            "rejected_response": texts.answer(),
            "rejected_rating": 9.0 if row % 10 == 0 else 5.0,
        }
        for row in range(rows)
    ]


def orca_pairs(texts: Texts, rows: int) -> list[Row]:
    """distilabel-intel-orca: a system prompt in most rows; every fourth row is a tie."""
    found = []
    for row in range(rows):
        tie = row % 4 == 3
        rating = [9.0, 9.0 if tie else 6.0]
        found.append(
            {
                "system": "" if row % 8 == 0 else texts.write((4, 8)),
                "input": texts.ask(),
                "chosen": texts.answer(),
                "rejected": texts.answer(),
                "rating": rating,
                "rationale": "made up",
                "status": "tie" if tie else ("unchanged", "swapped")[row % 2],
                "chosen_score": 9.0,
                "in_gsm8k_train": row % 10 == 0,
            }
        )
    return found


def capybara(texts: Texts, rows: int) -> list[Row]:
    """Capybara: dialogues of several rounds as messages; the first row twice."""
    found = []
    for row in range(rows):
        turns = dialogue(texts, 1 + row % 3)
        found.append(
            {
                "source": "made_up",
                "chosen": messages([*turns, texts.answer()]),
                "rejected": messages([*turns, texts.answer()]),
                "chosen_rating": 5,
                "rejected_rating": 5 if row % 6 == 0 else 3,
                "chosen_model": "made up",
                "rejected_model": "made up",
            }
        )
    return [*found, found[0]]


def summarize_comparisons(texts: Texts, rows: int) -> list[Row]:
    """Summaries of posts; the last rows are news articles, which have no post."""
    found = []
    for row in range(rows):
        is_post = row < rows - 3
        found.append(
            {
                "info": {
                    "id": f"t3_{row}",
                    "post": texts.write((20, 40)) if is_post else None,
                    "title": texts.write((4, 8)) if is_post else None,
                    "subreddit": "tifu" if is_post else None,
                    "site": None if is_post else "made_up",
                    "article": None if is_post else texts.write((20, 40)),
                },
                "summaries": [
                    {"text": f" {texts.write((4, 20))}", "policy": policy, "note": None}
                    for policy in ("ref", "sup1")
                ],
                "choice": row % 2,
                "worker": "w",
                "batch": "batch3.json",
                "split": "train",
                "extra": {"confidence": None},
            }
        )
    return found


def nectar(texts: Texts, rows: int) -> list[Row]:
    """Nectar: seven ranked answers per prompt, which is a transcript with an open turn."""
    return [
        {
            "prompt": transcript([*dialogue(texts, 1 + row % 3), ""]),
            "answers": [
                {"answer": texts.answer(), "model": f"m{place}", "rank": float(place + 1)}
                for place in texts.draw.sample(range(7), 7)
            ],
            "turns": 1 + row % 3,
            "num_responses": 7,
            "source": ["made_up"],
            "good_natured": True,
        }
        for row in range(rows)
    ]
