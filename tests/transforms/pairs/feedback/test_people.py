import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.feedback.imports import check_answers, import_answers
from transforms.pairs.feedback.people import (
    ANSWERS,
    Answer,
    Unreadable,
    format_queue,
    read_answers,
    resolve_side,
)
from transforms.pairs.feedback.queue import read_queue, require_labels, select_unlabelled

TEXT = st.text(max_size=20)


def queue(*pairs, experiment="e", iteration=1):
    """Rows of `label_queue`: pair_id, first, second."""
    rows = [
        {
            "experiment": experiment,
            "iteration": iteration,
            "pair_id": pair_id,
            "prompt_id": f"prompt of {pair_id}",
            "prompt": [{"role": "user", "content": "which ?"}],
            "first": first,
            "second": second,
            "place": place,
        }
        for place, (pair_id, first, second) in enumerate(pairs)
    ]
    return pl.DataFrame(rows, schema=schema_of("label_queue"))


def pair_ids(frame):
    queues = {}
    for row in frame.iter_rows(named=True):
        slice_ = (row["experiment"], row["iteration"])
        queues.setdefault(slice_, {})[row["pair_id"]] = row["prompt_id"]
    return queues


def fill(text, answers, person="ann"):
    """Fill in an exported file as people would: each picks the text that is better."""
    if text.startswith("["):
        records = json.loads(text)
        for record in records:
            value = answers(record["id"], record["fields"])
            record["responses"] = {"preferred": [{"value": value, "user_id": person}]}
        return json.dumps(records)
    rows = [json.loads(line) for line in text.split("\n") if line]
    return "\n".join(
        json.dumps(row | {"person": person, "preferred": answers(row["pair_id"], row)})
        for row in rows
    )


@pytest.mark.parametrize("form", ["jsonl", "argilla"])
@settings(max_examples=40, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(st.uuids().map(str), TEXT, TEXT), max_size=6, unique_by=lambda p: p[0]
    ),
    wish=st.randoms(use_true_random=False),
)
def test_what_a_person_prefers_comes_back_as_that_text(form, pairs, wish):
    sent = queue(*pairs)
    wanted = {pair_id: wish.choice(["first", "second", "tie"]) for pair_id, *_ in pairs}
    texts = {pair_id: {"first": first, "second": second} for pair_id, first, second in pairs}

    def answers(pair_id, shown):
        if wanted[pair_id] == "tie":
            return "tie"
        better, sides = texts[pair_id][wanted[pair_id]], (shown["response_a"], shown["response_b"])
        assert set(sides) == set(texts[pair_id].values())
        return "a" if sides[0] == better else "b"

    read = list(read_answers(fill(format_queue(sent, form), answers)))
    labels, known = check_answers(read, pair_ids(sent), {})
    assert (labels.height, known) == (len(pairs), 0)
    for pair_id, preferred in labels.select("pair_id", "preferred").iter_rows():
        if wanted[pair_id] == "tie" or len(set(texts[pair_id].values())) == 2:
            assert preferred == wanted[pair_id]


def test_an_exported_line_is_what_a_person_needs():
    (line,) = format_queue(queue(("x", "one", "two")), "jsonl").splitlines()
    row = json.loads(line)
    assert list(row) == [
        "experiment", "iteration", "pair_id", "prompt", "response_a", "response_b", "person",
        "preferred",
    ]  # fmt: skip
    assert row["person"] is None


def test_an_exported_record_has_the_keys_of_argilla_2_8():
    (record,) = json.loads(format_queue(queue(("x", "one", "two")), "argilla"))
    assert list(record) == [
        "id", "fields", "metadata", "suggestions", "responses", "vectors", "status", "_server_id",
    ]  # fmt: skip
    assert list(record["fields"]) == ["prompt", "response_a", "response_b"]


@pytest.mark.parametrize("form", ["jsonl", "argilla"])
def test_a_file_that_nobody_has_filled_in_has_no_answers(form):
    assert list(read_answers(format_queue(queue(("x", "a", "b")), form))) == []


def test_places_do_not_follow_the_text():
    shown_first = [resolve_side(f"pair {n}", "a") for n in range(200)].count("first")
    assert 70 < shown_first < 130


def answer(place="line 1", experiment="e", iteration=1, pair="x", person="ann", preferred="a"):
    return Answer(place, experiment, iteration, pair, person, preferred)


QUEUES = {("e", 1): {"x": "p", "y": "q"}}


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (answer(pair="z"), "unknown pair 'z'"),
        (answer(pair=["x"]), "unknown pair ['x']"),
        (answer(iteration=2), "unknown pair 'x' of 'e'/2"),
        (answer(experiment={}), "unknown pair"),
        (answer(preferred="left"), "unknown answer 'left'"),
        (answer(preferred=None), "unknown answer None"),
        (answer(person=" "), "no person"),
        (answer(person=7), "no person"),
        (Unreadable("line 1", "not JSON: x"), "not JSON"),
    ],
)
def test_a_bad_row_is_named_with_its_line(bad, words):
    with pytest.raises(InputError) as refusal:
        check_answers([bad], QUEUES, {})
    assert f"line 1: {words}" in str(refusal.value)


def test_the_first_bad_rows_are_listed_and_the_others_counted():
    rows = [answer(place=f"line {n}", pair="z") for n in range(1, 14)]
    with pytest.raises(InputError) as refusal:
        check_answers([answer("line 0"), *rows], QUEUES, {})
    assert "line 10: unknown pair" in str(refusal.value)
    assert "line 11" not in str(refusal.value)
    assert "and 3 more" in str(refusal.value)


def test_a_person_labels_a_pair_once_and_two_people_may_disagree():
    with pytest.raises(InputError, match="line 2: 'ann' has labelled this pair in line 1"):
        check_answers([answer(), answer("line 2", person="ann ")], QUEUES, {})
    labels, _ = check_answers([answer(), answer("line 2", person="bob", preferred="b")], QUEUES, {})
    assert labels["preferred"].n_unique() == 2


def test_what_the_lake_has_is_left_alone_and_may_not_change():
    before = {("e", 1, "x", "ann"): "a"}
    labels, known = check_answers([answer(), answer("line 2", pair="y")], QUEUES, before)
    assert (labels["pair_id"].to_list(), known) == (["y"], 1)
    with pytest.raises(InputError, match="'ann' has labelled this pair before, as 'a'"):
        check_answers([answer(preferred="b")], QUEUES, before)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"pair_id": "x"\n', "line 1"),
        ("\n[1, 2", "line 2"),
        ('"text"', "line 1"),
        ('[{"id": "x"}]', "record 1"),
        (
            '[{"id": "x", "metadata": {"experiment": "e", "iteration": 1}, "responses": []}]',
            "record 1",
        ),
    ],
)
def test_a_torn_file_is_unreadable_at_a_place(text, place):
    (found,) = read_answers(text)
    assert isinstance(found, Unreadable)
    assert found.place == place


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path / "home" / "lake")
    lake.overwrite(
        "label_queue", queue(("x", "a", "b"), ("y", "c", "d")), experiment="e", iteration=1
    )
    return lake


def test_importing_twice_changes_nothing(lake):
    text = fill(format_queue(read_queue(lake, "e", 1), "jsonl"), lambda *_: "a")
    assert import_answers(lake, read_answers(text)).labels.height == 2
    version = lake.version("preference_labels")
    again = import_answers(lake, read_answers(text))
    assert (again.labels.height, again.known) == (0, 2)
    assert lake.version("preference_labels") == version


def test_one_bad_row_leaves_the_lake_as_it_was(lake):
    with pytest.raises(InputError, match="line 2"):
        import_answers(lake, [answer(), answer("line 2", preferred="c")])
    assert not lake.exists("preference_labels")


def test_the_step_waits_for_every_pair_and_says_what_to_do(lake):
    waiting = read_queue(lake, "e", 1)
    import_answers(lake, [answer(preferred=ANSWERS[0])])
    assert select_unlabelled(lake, waiting)["pair_id"].to_list() == ["y"]
    with pytest.raises(InputError) as refusal:
        require_labels(lake, waiting)
    place = lake.root
    for words in (
        "e/1 waits for people",
        "1 pairs without a label",
        f"prefloop label export e/1 --missing --lake {place}",
        f"prefloop label import queue.jsonl --lake {place}",
    ):
        assert words in str(refusal.value)
    import_answers(lake, [answer(pair="y", preferred="tie")])
    assert require_labels(lake, waiting).height == 2


def test_there_is_no_queue_of_another_experiment(lake):
    with pytest.raises(InputError, match="no pairs of f/1"):
        read_queue(lake, "f", 1)
