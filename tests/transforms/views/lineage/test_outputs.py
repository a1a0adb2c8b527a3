from transforms.views.lineage.outputs import Input, read_lineage


def test_an_output_made_twice_is_shown_as_it_was_made_first(lake):
    first = read_lineage(lake).outputs["iteration_1/policy", "4444444d"]
    assert first.experiments == ("a", "b")
    assert Input("data", "iteration_1/dpo_pairs", "dpo_pairs@0") in first.inputs
    assert first.settings["dpo"] == {"beta": 0.1}
    assert first.elapsed_s == 2.0


def test_inputs_say_what_they_were_read_as(lake):
    outputs = read_lineage(lake).outputs
    relations = {
        (key[0], one.asset): one.relation for key, made in outputs.items() for one in made.inputs
    }
    assert relations["iteration_1/policy", "sft_policy"] == "parent, reference"
    assert relations["iteration_2/policy", "iteration_1/policy"] == "parent"
    assert relations["iteration_2/policy", "sft_policy"] == "reference"
    assert relations["iteration_1/scores", "reward_model"] == "ranker"
    assert relations["iteration_1/generations", "sft_policy"] == "sampler"
    assert relations["reward_model", "preference_pairs"] == "data"


def test_the_last_output_of_an_asset_is_the_experiments_own(lake):
    lineage = read_lineage(lake)
    assert lineage.latest("iteration_1/policy", "b").output_id == "4444444d"
    assert lineage.latest("iteration_2/policy", "b") is None


def test_what_no_record_names_is_left_out(lake):
    lineage = read_lineage(lake)
    assert lineage.upstream([Input("data", "iteration_1/dpo_pairs", "dpo_pairs@7")]) == []
