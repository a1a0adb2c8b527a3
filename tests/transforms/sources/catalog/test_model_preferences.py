from transforms.sources.catalog import CATALOGUE

LONG = "x" * 100_000


def completion(model, response, fine, overall=None):
    return {
        "model": model,
        "response": response,
        "fine-grained_score": fine,
        "overall_score": overall,
    }


def test_ultrafeedback_compares_all_responses_but_ties(judge):
    four = [completion(m, m.upper(), s) for m, s in zip("abcd", (1.0, 4.5, 4.5, 3.0), strict=True)]
    found = judge("ultrafeedback", [{"instruction": "q", "completions": four}])
    assert found.pairs() == {
        "0#1,0": ("B", "A"),
        "0#2,0": ("C", "A"),
        "0#3,0": ("D", "A"),
        "0#1,3": ("B", "D"),
        "0#2,3": ("C", "D"),
    }
    assert found.reasons() == {"0#1,2": "tie"}
    assert found.kept["margin"].to_list() == [3.5, 3.5, 2.0, 1.5, 1.5]


def test_ultrafeedback_awkward_rows(judge):
    def row(*completions, instruction="q"):
        return {"instruction": instruction, "completions": list(completions)}

    a, b = completion("a", "A", 1.0), completion("b", "B", 2.0)
    found = judge(
        "ultrafeedback",
        [
            row(a, b, completion("a", "A again", 3.0)),
            row(completion("a", "A", 1.0), completion("a", "A again", 3.0)),
            row(completion(None, "A", 1.0), completion(None, "B", 2.0)),
            row(a, completion("b", "B", None)),
            row(completion("a", "A", float("nan")), b),
            row(a),
            row(),
            {"instruction": "q", "completions": None},
            row(None, b),
            row(a, b, instruction=None),
            row(a, b, instruction=" "),
            row(a, completion("b", "A", 2.0)),
            row(completion("a", LONG, 1.0), completion("b", "\u2028", 2.0), instruction=LONG),
            row(completion("a", LONG, 1.0), completion("b", "é\u2028", 2.0), instruction=LONG),
            {},
        ],
    )
    assert found.pairs() == {
        "0#2,1": ("A again", "B"),
        "2#1,0": ("B", "A"),
        "13#1,0": ("é\u2028", LONG),
    }
    assert found.reasons() == {
        "0#1,0": "repeated_model",
        "0#2,0": "repeated_model",
        "1#1,0": "repeated_model",
        "3#1,0": "missing_score",
        "4#0,1": "missing_score",
        "5": "no_comparison",
        "6": "no_comparison",
        "7": "no_comparison",
        "8#0,1": "missing_value",
        "9#1,0": "missing_value",
        "10#1,0": "empty_turn",
        "11#1,0": "identical_response",
        "12#1,0": "empty_turn",
        "14": "no_comparison",
    }


def test_ultrafeedback_scores_and_margins_are_options(judge):
    both = [completion("a", "A", 1.0, 9.0), completion("b", "B", 2.0, 8.0)]
    rows = [{"instruction": "q", "completions": both}]
    assert judge("ultrafeedback", rows).pairs() == {"0#1,0": ("B", "A")}
    assert judge("ultrafeedback", rows, score="overall_score").pairs() == {"0#0,1": ("A", "B")}
    assert judge("ultrafeedback", rows, min_margin=1.5).reasons() == {"0#1,0": "small_margin"}


def test_more_responses_than_a_prompt_can_have_are_not_paired(judge):
    many = [completion(str(n), str(n), float(n)) for n in range(101)]
    rows = [
        {"instruction": "q", "completions": many[:100]},
        {"instruction": "q", "completions": many},
    ]
    found = judge("ultrafeedback", rows)
    assert found.kept.height == 100 * 99 // 2
    assert found.reasons() == {"1": "too_many_responses"}


def coded(responses, annotations, instruction="q"):
    return {
        "instruction": instruction,
        "responses": [{"model": m, "response": r} for m, r in responses],
        "annotations": [{"model": m, "rating": r} for m, r in annotations],
    }


def test_code_ultrafeedback_reads_ratings_as_numbers_by_model(judge):
    abc = [("a", "A"), ("b", "B"), ("c", "C")]
    found = judge(
        "code_ultrafeedback",
        [
            coded(abc, [("c", "10"), ("a", "N/A"), ("b", "9")]),
            coded(abc, [("a", "3"), ("b", "3"), ("c", "3")]),
            coded(abc[:2], [("a", "3")]),
            coded(abc[:2], [("a", "3"), ("b", "4"), ("b", "2"), ("z", "5")]),
            coded([("a", "A"), ("a", "A again"), ("b", "B")], [("a", "5"), ("b", "1")]),
            coded(abc[:1], [("a", "3")]),
            coded([], []),
            coded(abc[:2], []),
            coded(abc[:2], [("a", None), ("b", "2")]),
            {},
        ],
    )
    assert found.pairs() == {"0#2,1": ("C", "B"), "3#0,1": ("A", "B"), "4#1,2": ("A again", "B")}
    assert found.kept["chosen_score"].to_list() == [10.0, 3.0, 5.0]
    assert found.reasons() == {
        "0#0,1": "missing_score",
        "0#0,2": "missing_score",
        "1#0,1": "tie",
        "1#0,2": "tie",
        "1#1,2": "tie",
        "2#1,0": "missing_score",
        "4#0,1": "repeated_model",
        "4#0,2": "repeated_model",
        "5": "no_comparison",
        "6": "no_comparison",
        "7#0,1": "missing_score",
        "8#0,1": "missing_score",
        "9": "no_comparison",
    }


def step(*turns, chosen="a", rejected="b", task="Logic"):
    speakers = ("user", "assistant") * len(turns)
    trajectory = [{"from": s, "value": v} for s, v in zip(speakers, turns, strict=False)]
    return {"task": task, "trajectory": trajectory, "chosen": chosen, "rejected": rejected}


STEPS = [
    step("q"),
    step("q", "try", "Observation: None", task="Coding"),
    step("q", "try"),  # the response would answer the assistant
    step("q", "", "go on"),
    step("q", rejected="a"),
    step("q", chosen=None),
    step(),
    {"task": None, "trajectory": None, "chosen": "a", "rejected": "b"},
    {
        "trajectory": [{"from": "system", "value": "s"}, {"from": "user", "value": "q"}],
        "chosen": "a",
        "rejected": "b",
    },
    {"trajectory": [{"from": "human", "value": "q"}], "chosen": "a", "rejected": "b", "task": None},
]


def test_ultrainteract_appends_responses_to_trajectories(judge):
    found = judge("ultrainteract", STEPS)
    assert set(found.pairs()) == {"0", "1", "9"}
    assert [turn["role"] for turn in found.kept["prompt"][1]] == ["user", "assistant", "user"]
    assert found.reasons() == {
        "2": "odd_turns",
        "3": "empty_turn",
        "4": "identical_response",
        "5": "missing_value",
        "6": "odd_turns",
        "7": "missing_value",
        "8": "odd_turns",
    }


def test_ultrainteract_filters_are_options(judge):
    found = judge("ultrainteract", STEPS[:2] + STEPS[9:], tasks=("Logic",))
    assert set(found.pairs()) == {"0"}
    assert found.dropped.select("row_key", "reason", "evidence").rows() == [
        ("1", "other_task", "task Coding"),
        ("2", "other_task", "task none"),
    ]
    short = judge("ultrainteract", STEPS[:2], max_history_turns=1)
    assert set(short.pairs()) == {"0"}
    assert short.dropped["evidence"].to_list() == ["3 turns, at most 1"]


def test_ultrainteract_gives_demonstrations_and_prompts(native):
    entry = CATALOGUE["ultrainteract"]
    rows = native("ultrainteract", STEPS)
    shown = entry.layouts["demonstrations"](rows, entry.options())
    prompts = entry.layouts["prompts"](rows, entry.options())
    assert shown["messages"][0].to_list()[-1] == {"role": "assistant", "content": "a"}
    assert prompts["prompt"][9].to_list() == [{"role": "user", "content": "q"}]
    assert shown.height == prompts.height == len(STEPS)


QUESTION = "\n\nHuman: q\n\nAssistant: "


def ranked(*ranks, prompt=QUESTION):
    answers = [{"answer": f"a{n}", "rank": rank} for n, rank in enumerate(ranks)]
    return {"prompt": prompt, "answers": answers}


RANKED = [
    ranked(3.0, 1.0, 2.0),
    ranked(2.0, 1.0, 1.0, 2.0),
    ranked(1.0, 1.0),
    ranked(None, 2.0, 1.0),
    ranked(None, 1.0),
    ranked(1.0),
    {"prompt": QUESTION, "answers": None},
    ranked(1.0, 2.0, prompt="\n\nHuman: q\n\nAssistant: a\n\nHuman: r\n\nAssistant:"),
    ranked(1.0, 2.0, prompt="q"),
    ranked(1.0, 2.0, prompt=None),
    ranked(1.0, 2.0, prompt="\n\nHuman: q\n\nAssistant: not open"),
    {"prompt": QUESTION, "answers": [{"answer": None, "rank": 1.0}, {"answer": "b", "rank": 2.0}]},
]


def test_nectar_sets_the_best_answer_against_the_worst(judge):
    found = judge("nectar", RANKED)
    assert found.pairs() == {
        "0#1,0": ("a1", "a0"),
        "1#1,3": ("a1", "a3"),
        "3#2,1": ("a2", "a1"),
        "7#0,1": ("a0", "a1"),
    }
    assert found.kept["margin"].to_list() == [2.0, 1.0, 1.0, 1.0]
    assert found.kept["prompt"][0].to_list() == [{"role": "user", "content": "q"}]
    assert len(found.kept["prompt"][3]) == 3
    assert found.reasons() == {
        "2#0,1": "tie",
        "4": "missing_score",
        "5": "no_comparison",
        "6": "no_comparison",
        "8#0,1": "role_order",
        "9#0,1": "missing_value",
        "10#0,1": "odd_turns",
        "11#0,1": "missing_value",
    }


def test_nectar_compares_all_answers_where_an_option_says_so(judge):
    found = judge("nectar", RANKED[:5], comparisons="all")
    assert found.pairs() == {
        "0#1,0": ("a1", "a0"),
        "0#2,0": ("a2", "a0"),
        "0#1,2": ("a1", "a2"),
        "1#1,0": ("a1", "a0"),
        "1#2,0": ("a2", "a0"),
        "1#1,3": ("a1", "a3"),
        "1#2,3": ("a2", "a3"),
        "3#2,1": ("a2", "a1"),
    }
    assert found.reasons() == {
        "1#0,3": "tie",
        "1#1,2": "tie",
        "2#0,1": "tie",
        "3#0,1": "missing_score",
        "3#0,2": "missing_score",
        "4#0,1": "missing_score",
    }
