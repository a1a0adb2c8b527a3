"""Rows of the recipe's demonstrations, prompts and evaluation sets, in their published columns.

Columns are those that the catalogue (`transforms.sources.catalog`) documents, with the further ones
of the published files. A few rows of some sources are faulty, as public rows are. Not here: rows
with preferences (`bench.rehearsal.comparisons`).
"""

from typing import Any

from bench.rehearsal.texts import Texts

Row = dict[str, Any]

HUMANEVAL_PROMPT = (
    "from typing import List\n\n\ndef join_words(words: List[str]) -> str:\n"
    '    """ Join the words of a list with one space between each two of them, and leave out'
    ' every word that is empty.\n    >>> join_words(["a", "", "b"])\n    \'a b\'\n    """\n'
)
MBPP_TEXT = (
    "Write a function that counts how many numbers of a list are larger than the number before"
    " them in the list."
)
CONTAMINATED = (
    "Please help me: join the words of a list with one space between each two of them, and leave"
    " out every word that is empty.",
    f"Homework. {MBPP_TEXT}",
)
"""Prompts that share more than 13 words with an item of HumanEval or MBPP."""


def talk(texts: Texts, rounds: int = 1, *, system: bool = False) -> list[Row]:
    """Write a conversation in the ShareGPT layout."""
    turns = [{"from": "system", "value": texts.write((4, 8))}] if system else []
    for _ in range(rounds):
        turns.append({"from": "human", "value": texts.ask()})
        turns.append({"from": "gpt", "value": texts.answer()})
    return turns


def sharegpt(texts: Texts, rows: int) -> list[Row]:
    """ShareGPT: conversations of several rounds; some pieces begin with an answer."""
    talks = [talk(texts, rounds=1 + row % 4) for row in range(rows)]
    talks[1] = talks[1][1:]
    talks[2][0]["value"] = "How do I print <|eot_id|> or <|start_header_id|>?"
    talks[3][-1]["value"] = " \n"
    return [{"id": f"c{row}_0", "conversations": turns} for row, turns in enumerate(talks)]


def evol_instruct(texts: Texts, rows: int) -> list[Row]:
    """Evol-Instruct: one exchange per row."""
    return [{"idx": f"i{row}", "conversations": talk(texts)} for row in range(rows)]


def slim_orca(texts: Texts, rows: int) -> list[Row]:
    """SlimOrca: a system turn in most rows, a weight per turn."""
    return [
        {
            "conversations": [
                turn | {"weight": 0.0 if turn["from"] == "human" else 1.0}
                for turn in talk(texts, system=row % 5 > 0)
            ]
        }
        for row in range(rows)
    ]


def math_instruct(texts: Texts, rows: int) -> list[Row]:
    """MathInstruct: a question and an answer, in words or as a program."""
    return [
        {
            "source": "data/PoT/made_up.json" if row % 2 else "data/CoT/made_up.json",
            "instruction": texts.ask(),
            "output": f"x = {row}\nprint(x * 2)" if row % 2 else texts.answer(),
        }
        for row in range(rows)
    ]


def magicoder_evol_instruct(texts: Texts, rows: int) -> list[Row]:
    """Magicoder-Evol-Instruct: a task and code in Markdown."""
    return [
        {
            "instruction": texts.ask(),
            "response": f"{texts.answer()}\n\n```python\ndef f{row}(x):\n    return x\n```",
        }
        for row in range(rows)
    ]


def gpt4_llm(texts: Texts, rows: int) -> list[Row]:
    """GPT4-LLM: Alpaca's columns; two rows in three have an empty input."""
    return [
        {
            "instruction": texts.ask(),
            "input": "" if row % 3 else texts.write((3, 12)),
            "output": texts.answer() if row else "",
        }
        for row in range(rows)
    ]


def orca_math(texts: Texts, rows: int) -> list[Row]:
    """OrcaMath: a question and an answer."""
    return [{"question": texts.ask(), "answer": texts.answer()} for _ in range(rows)]


def gpteacher(texts: Texts, rows: int) -> list[Row]:
    """GPTeacher: Alpaca's columns with `response`; some inputs are null."""
    return [
        {
            "instruction": texts.ask(),
            "input": None if row % 2 else texts.write((3, 12)),
            "response": texts.answer(),
        }
        for row in range(rows)
    ]


def ultrainteract_sft(texts: Texts, rows: int) -> list[Row]:
    """UltraInteract_sft: the history of a later step is part of its instruction."""
    return [
        {
            "task": "Math_CoT",
            "dataset": "made_up",
            "instruction": f"{texts.ask()}\n\n{texts.ask()}" if row % 2 else texts.ask(),
            "response": texts.answer(),
            "id": str(row),
            "parent_id": str(row - 1) if row % 2 else "",
        }
        for row in range(rows)
    ]


def open_orca(texts: Texts, rows: int) -> list[Row]:
    """OpenOrca: prompts with a system prompt, which some rows leave empty."""
    found = [
        {
            "id": f"cot.{row}",
            "system_prompt": texts.write((4, 8)) if row % 3 else "",
            "question": texts.ask(),
            "response": texts.answer(),
        }
        for row in range(rows)
    ]
    found[1]["question"] = CONTAMINATED[0]
    return found


def dibt_10k(texts: Texts, rows: int) -> list[Row]:
    """DIBT-10K: prompts with ratings; one contaminated, one very long, two almost the same."""
    prompts = [texts.ask() for _ in range(rows)]
    prompts[1:4] = [CONTAMINATED[1], texts.ask_too_long(), prompts[0].upper()]
    return [
        {"prompt": prompt, "avg_rating": 4.0, "num_responses": 2, "topic": "made up"}
        for prompt in prompts
    ]


def humaneval(_: Texts, rows: int) -> list[Row]:
    """HumanEval: tasks, the first with the words that a contaminated prompt shares."""
    test = "def check(candidate):\n    assert candidate(['a']) == 'a'\n"
    return [
        {
            "task_id": f"HumanEval/{row}",
            "prompt": HUMANEVAL_PROMPT if not row else f"def add_{row}(x):\n    return x +",
            "canonical_solution": "    return ' '.join(filter(None, words))\n",
            "test": test,
            "entry_point": "join_words" if not row else f"add_{row}",
        }
        for row in range(rows)
    ]


def mbpp(_: Texts, rows: int) -> list[Row]:
    """MBPP: tasks in words, with tests; task_id 11 is the first of the test split."""
    return [
        {
            "task_id": 11 + row,
            "text": MBPP_TEXT if not row else f"Write a function to add {row} to a number.",
            "code": f"def add(x):\r\n    return x + {row}",
            "test_list": [f"assert add(1) == {row + 1}"],
            "test_setup_code": "",
            "challenge_test_list": [],
        }
        for row in range(rows)
    ]
