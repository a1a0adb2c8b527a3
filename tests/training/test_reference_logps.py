"""The store against TRL: equal values, none of its two traps, equal losses."""

import shutil

import polars as pl
import pytest
import torch
import typer
from datasets import Dataset
from transformers import AutoModelForCausalLM
from trl import DPOConfig, DPOTrainer
from typer.testing import CliRunner

from training.commands.reference_logps import main
from training.dpo import TokenizedDPOTrainer, train_dpo
from training.models import rendering
from training.models.checkpoint import hash_checkpoint
from training.models.rendering import load_tokenizer
from training.models.token_ids import tokenize_responses
from training.reference_logps import add_reference_logps
from training.runs.trainer import build_trl_arguments
from training.settings.objectives import DPOSettings
from transforms.errors import InputError
from transforms.lake.chunks import Chunks
from transforms.lake.lake import Lake
from transforms.lake.records.reference_logps import ReferenceLogps, list_columns

SETTINGS = DPOSettings(
    learning_rate=1e-3,
    schedule="constant",
    warmup_ratio=0.0,
    epochs=3,
    batch_size=4,
    micro_batch_size=4,
    max_tokens=32,
    logging_steps=1,
    reference_chunk_sequences=5,
)


class Unprepared(DPOTrainer):
    """TRL's own, over token ids: it computes the reference's log-probabilities itself."""

    _prepare_dataset = TokenizedDPOTrainer._prepare_dataset


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture
def look_up(lake, tiny_policy):
    """Look pairs up in the lake as the policy's asset does."""

    def look_up(pairs, reference, settings=SETTINGS):
        store = ReferenceLogps(lake, hash_checkpoint(reference), "float32")
        with store.append_chunks() as append:
            return add_reference_logps(
                pairs,
                tiny_policy,
                reference,
                settings,
                dtype="float32",
                known=store.read_known,
                commit=append,
            )

    return look_up


def trl(pairs, start, reference, folder, *, precompute, **changed):
    """TRL's trainer with the reference in memory, or with its own precomputation."""
    tokenizer = load_tokenizer(start)
    settings = SETTINGS.model_copy(update=changed)
    rows = tokenize_responses(tokenizer, pairs).drop("prompt_id")
    return Unprepared(
        model=AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32),
        ref_model=AutoModelForCausalLM.from_pretrained(reference, dtype=torch.float32),
        args=DPOConfig(
            **build_trl_arguments(settings, folder, seed=0, dtype="float32"),
            beta=settings.beta,
            loss_type=["sigmoid"],
            disable_dropout=True,
            precompute_ref_log_probs=precompute,
        ),
        train_dataset=Dataset(rows.to_arrow()),
        processing_class=tokenizer,
    )


def logps(frame):
    return frame.select("ref_chosen_logps", "ref_rejected_logps").to_numpy()


def test_values_are_those_that_trl_computes(
    look_up, tiny_policy, other_policy, preference_pairs, tmp_path
):
    fresh = trl(preference_pairs, tiny_policy, other_policy, tmp_path, precompute=True)
    expected = pl.DataFrame(fresh.train_dataset.data.table)
    assert logps(look_up(preference_pairs, other_policy).pairs) == pytest.approx(
        logps(expected), abs=1e-5
    )


@pytest.mark.parametrize("changed", ["learning_rate", "beta", "epochs", "max_tokens"])
def test_another_setting_computes_nothing(look_up, other_policy, preference_pairs, changed):
    first = look_up(preference_pairs, other_policy)
    again = look_up(preference_pairs, other_policy, SETTINGS.model_copy(update={changed: 30}))
    assert (first.sequences, first.computed, again.computed) == (16, 16, 0)
    assert again.pairs.equals(first.pairs)


def test_accumulated_pairs_cost_the_new_ones_only(look_up, lake, other_policy, preference_pairs):
    look_up(preference_pairs.head(3), other_policy)
    assert look_up(preference_pairs, other_policy).computed == 10
    rows = lake.read("reference_logps")
    assert rows.height == rows["sequence_id"].n_unique() == 16
    assert rows["completion_tokens"].unique().sort().to_list() == [4, 6]


def test_another_reference_and_other_pairs_are_never_mixed_up(
    look_up, tiny_policy, other_policy, preference_pairs
):
    of_other = look_up(preference_pairs, other_policy)
    of_itself = look_up(preference_pairs, tiny_policy)
    assert of_itself.computed == 16
    assert abs(logps(of_itself.pairs) - logps(of_other.pairs)).min() > 1e-3
    moved = preference_pairs.with_columns(preference_pairs["chosen"].reverse())
    fresh = add_reference_logps(moved, tiny_policy, other_policy, SETTINGS, dtype="float32")
    assert logps(look_up(moved, other_policy).pairs) == pytest.approx(logps(fresh.pairs), abs=1e-5)
    turned = preference_pairs.rename({"chosen": "rejected", "rejected": "chosen"})
    swapped = look_up(turned, other_policy)
    assert swapped.computed == 0
    assert logps(swapped.pairs)[:, ::-1] == pytest.approx(logps(of_other.pairs))


def test_an_interrupted_pass_keeps_its_chunks_and_goes_on(
    look_up, lake, other_policy, preference_pairs, monkeypatch
):
    append, chunks = Chunks.__call__, []

    def interrupted(self, computed):
        if len(chunks) == 2:
            raise KeyboardInterrupt
        chunks.append(computed)
        append(self, computed)

    with monkeypatch.context() as patched:
        patched.setattr(Chunks, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            look_up(preference_pairs, other_policy)
    assert lake.read("reference_logps").height == 10
    assert lake.version("reference_logps") == 0
    assert look_up(preference_pairs, other_policy).computed == 6


def test_losses_are_those_of_a_reference_in_memory(
    look_up, tiny_policy, other_policy, preference_pairs, tmp_path
):
    trainer = trl(preference_pairs, tiny_policy, other_policy, tmp_path / "trl", precompute=False)
    trainer.train()
    expected = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    rows = look_up(preference_pairs, other_policy).pairs
    ours = train_dpo(rows, tiny_policy, tmp_path / "ours", SETTINGS, seed=0, dtype="float32")
    losses = ours.metrics.filter(metric="loss").sort("step")["value"].to_list()
    assert len(losses) == 6
    assert losses == pytest.approx(expected, abs=1e-5)


def test_pair_that_does_not_fit_is_not_computed(look_up, other_policy, preference_pairs):
    done = look_up(preference_pairs, other_policy, SETTINGS.model_copy(update={"max_tokens": 12}))
    assert (done.sequences, done.computed) == (0, 0)
    assert done.pairs["ref_chosen_logps"].null_count() == 8


def test_log_probabilities_of_other_tokens_are_refused(
    look_up, tiny_policy, other_policy, preference_pairs, tmp_path
):
    rows = look_up(preference_pairs, other_policy).pairs

    def train(pairs, start=tiny_policy):
        train_dpo(pairs, start, tmp_path / "dpo", SETTINGS, seed=0, dtype="float32")

    for name, change in OTHER_RENDERINGS.items():
        start = shutil.copytree(tiny_policy, tmp_path / name)
        change(start)
        with pytest.raises(InputError, match=r"for other tokens(.|\n)*prompt-0"):
            train(rows, start)
    with pytest.raises(InputError, match="missing"):
        train(rows.with_columns(ref_rejected_logps=pl.lit(None, pl.Float64)))
    with pytest.raises(InputError, match="have no log-probabilities"):
        train(preference_pairs)


def change_template(folder):
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("{{- bos_token -}}", ""))


def change_vocabulary(folder):
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"cat"', '"hen"'))


def change_special_token(folder):
    config = folder / "tokenizer_config.json"
    config.write_text(config.read_text().replace('"bos_token": "<bos>"', '"bos_token": "<unk>"'))


OTHER_RENDERINGS = {
    "template": change_template,
    "vocabulary": change_vocabulary,
    "special": change_special_token,
}


def test_rows_hold_token_ids_and_no_text(look_up, other_policy, preference_pairs):
    """What is trained on is what the reference read: nothing is rendered a second time."""
    rows = look_up(preference_pairs, other_policy).pairs
    assert not {"prompt", "chosen", "rejected"} & set(rows.columns)
    assert {"prompt_id", *list_columns()} <= set(rows.columns)


def test_pairs_are_rendered_once(
    look_up, tiny_policy, other_policy, preference_pairs, tmp_path, monkeypatch
):
    rows = look_up(preference_pairs, other_policy).pairs

    render = rendering._render

    def render_one(tokenizer, conversations, **arguments):
        assert len(conversations) == 1, "the pairs are rendered again"
        return render(tokenizer, conversations, **arguments)

    monkeypatch.setattr(rendering, "_render", render_one)  # one turn is rendered as a check
    train_dpo(rows, tiny_policy, tmp_path / "dpo", SETTINGS, seed=0, dtype="float32")


def test_rows_of_a_copied_start_are_accepted(
    look_up, tiny_policy, other_policy, preference_pairs, tmp_path
):
    """The tokenizer counts, not its folder; one that was loaded and saved is the same."""
    rows = look_up(preference_pairs, other_policy).pairs
    AutoModelForCausalLM.from_pretrained(tiny_policy).save_pretrained(tmp_path / "start")
    tokenizer = load_tokenizer(tiny_policy)
    tokenizer(["a cat", "a"], padding=True)
    tokenizer.save_pretrained(tmp_path / "start")
    train_dpo(rows, tmp_path / "start", tmp_path / "dpo", SETTINGS, seed=0, dtype="float32")


def test_the_command_writes_what_the_function_returns(
    look_up, tiny_policy, other_policy, preference_pairs, tmp_path
):
    preference_pairs.write_parquet(tmp_path / "pairs.parquet")
    app = typer.Typer()
    app.command()(main)
    options = {
        "pairs": tmp_path / "pairs.parquet",
        "start": tiny_policy,
        "reference": other_policy,
        "output": tmp_path / "rows.parquet",
        "dtype": "float32",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    ran = CliRunner().invoke(app, words, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    expected = look_up(preference_pairs, other_policy).pairs
    written = pl.read_parquet(tmp_path / "rows.parquet")
    assert logps(written) == pytest.approx(logps(expected), abs=1e-5)
