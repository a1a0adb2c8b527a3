"""Schemas of every table: grain, columns with units, partition columns. Enforced on write.

Lives here: names, types and grain of tables. Not here: how rows are made. Identifiers are content
hashes (`transforms.identity`), so that tables join across runs and machines.
"""

import polars as pl
from deltalake import DeltaTable

from transforms.errors import InputError

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
"""A conversation: turns in order, roles `system`, `user`, `assistant`."""

LOOP_SLICE = {"experiment": pl.String, "iteration": pl.Int32}
"""The slice of a loop table. Models outside the loop are experiment `shared`, iteration 0."""

SHARED = "shared"
"""`experiment` of everything that all experiments have in common."""

SCHEMAS: dict[str, dict[str, pl.DataType | type[pl.DataType]]] = {
    # one row per fine-tuning conversation
    "demonstrations": {
        "source": pl.String,
        "row_key": pl.String,
        "prompt_id": pl.String,
        "messages": MESSAGES,
    },
    # one row per kept comparison; chosen and rejected hold the last turn only
    "preference_pairs": {
        "pair_id": pl.String,
        "source": pl.String,
        "row_key": pl.String,
        "prompt_id": pl.String,
        "prompt": MESSAGES,
        "chosen": MESSAGES,
        "rejected": MESSAGES,
        "chosen_score": pl.Float64,
        "rejected_score": pl.Float64,
        "margin": pl.Float64,
        "split": pl.String,  # train | reward_validation
    },
    # one row per table and source: what came in, so that kept + dropped can be checked against it
    "source_rows": {
        "table": pl.String,  # raw_<source> | preference_pairs | demonstrations | prompts
        "source": pl.String,
        "entry": pl.String,  # of the catalogue
        "rows_in": pl.Int64,  # rows of the file, candidate pairs, conversations or prompts
        "intake_id": pl.String,  # hash of the settings and of the input that they came from
    },
    # one row per pair of a mixture
    "mixture_pairs": {
        "mixture": pl.String,
        "source": pl.String,
        "pair_id": pl.String,
        "copies": pl.Int32,  # times that an epoch shows it
    },
    # one row per kept comparison and tokenizer
    "preference_tokens": {
        "pair_id": pl.String,
        "source": pl.String,
        "tokenizer_id": pl.String,  # checkpoint whose tokenizer and chat template counted
        "prompt_tokens": pl.Int32,
        "chosen_tokens": pl.Int32,
        "rejected_tokens": pl.Int32,
    },
    # one row per item of an evaluation set that prompts are screened against
    "evaluation_texts": {
        "evaluation_set": pl.String,
        "item": pl.String,
        "text": pl.String,
    },
    # one row per dropped prompt and item of an evaluation set that it shares words with
    "contaminated_prompts": {
        "prompt_id": pl.String,
        "evaluation_set": pl.String,
        "item": pl.String,
        "span": pl.String,  # the words in common
    },
    # one row per prompt of the map
    "prompt_map": {
        "prompt_id": pl.String,
        "source": pl.String,
        "x": pl.Float64,
        "y": pl.Float64,
        "topic": pl.Int32,
        "topic_terms": pl.String,  # the most telling words of the topic
    },
    # one row per row, pair or prompt that a rule removed
    "dropped_rows": {
        "table": pl.String,  # the table that the row would have entered
        "source": pl.String,
        "row_key": pl.String,
        "reason": pl.String,
        "evidence": pl.String,
    },
    # one row per distinct prompt
    "prompts": {
        "prompt_id": pl.String,
        "source": pl.String,  # the first, in alphabetical order, that has it
        "prompt": MESSAGES,
        "prompt_chars": pl.Int64,
    },
    # one row per prompt that is used
    "prompt_splits": {
        "prompt_id": pl.String,
        "split": pl.String,  # iteration_1 ... iteration_T | validation | evaluation
    },
    # one row per sampled response
    "generations": {
        **LOOP_SLICE,
        "prompt_id": pl.String,
        "response_index": pl.Int32,
        "response": pl.String,
        "response_tokens": pl.Int32,
        "response_chars": pl.Int32,
        "finish_reason": pl.String,  # stop | length
        "policy_id": pl.String,
        "sampling_id": pl.String,  # hash of the sampling settings and seed
        "sampler": pl.Int32,  # its place in the recipe's list, from 0; null in old rows: 0
        "sampler_policy": pl.String,  # current | previous | initial | step@<share>; null: current
        "n": pl.Int32,  # responses a prompt, over all samplers; null in old rows
        "temperature": pl.Float64,
        "top_p": pl.Float64,
        "max_tokens": pl.Int32,
        "seed": pl.Int64,
    },
    # one row per prompt of a slice with adaptive n: where sampling stopped
    "sampling_stops": {
        **LOOP_SLICE,
        "prompt_id": pl.String,
        "sampling_id": pl.String,  # of the responses
        "responses": pl.Int32,  # that the rule asks for
        "margin": pl.Float64,  # best-worst, penalised reward, after these; null: fewer than two
        "reason": pl.String,  # enough_margin | no_growth | n_reached
    },
    # one row per response and ranker
    "scores": {
        **LOOP_SLICE,
        "prompt_id": pl.String,
        "response_index": pl.Int32,
        "ranker": pl.String,  # asset: reward_model..., preference_model, or judge
        "ranker_id": pl.String,  # its checkpoint id; a judge's judge_id
        "ranking_id": pl.String,  # hash of the settings with which it ranks
        "policy_id": pl.String,  # of the response, as in `generations`
        "sampling_id": pl.String,  # of the response
        "reward": pl.Float64,  # a reward model's scalar, or a mean share of comparisons won
    },
    # one row per prompt of a slice, ranker and unit of length
    "reward_length_correlation": {
        **LOOP_SLICE,
        "ranker": pl.String,
        "ranker_id": pl.String,
        "split": pl.String,
        "prompt_id": pl.String,
        "unit": pl.String,  # chars | tokens
        "pearson": pl.Float64,  # of reward and length over the responses; null where undefined
        "status": pl.String,  # defined | one_response | constant_reward | constant_length
        "responses": pl.Int32,
        "mean_length": pl.Float64,  # in the unit
    },
    # one row per judge: a model, a rubric and how it is asked
    "judges": {
        "judge_id": pl.String,  # hash of the columns up to `settings`
        "model": pl.String,  # checkpoint id, or the name at `address`
        "address": pl.String,  # null for a model that runs here
        "rubric": pl.String,
        "rubric_text": pl.String,
        "settings": pl.String,  # JSON
        "max_unparsed_share": pl.Float64,  # bound of the check judgments_are_usable
    },
    # one row per judge, comparison and order in which its responses were shown
    "judgments": {
        "judge_id": pl.String,
        "comparison_id": pl.String,
        "a_is": pl.String,  # first | second: the response that was shown as A
        "rubric": pl.String,
        "verdict": pl.String,  # A | B | tie | unparseable; null without an answer
        "raw_text": pl.String,
        "finish_reason": pl.String,  # stop | length; null without an answer
        "error": pl.String,  # why there is no answer
        "elapsed_s": pl.Float64,  # retries included; null where many are answered at once
    },
    # one row per pair of an iteration's responses that is sent to the preference oracle
    "label_queue": {
        **LOOP_SLICE,
        "pair_id": pl.String,  # the comparison_id of `judgments`: hash of prompt and texts
        "prompt_id": pl.String,
        "prompt": MESSAGES,
        "first": pl.String,  # the two responses, in alphabetical order
        "second": pl.String,
        "first_response_index": pl.Int32,
        "second_response_index": pl.Int32,
        "preference_probability": pl.Float64,  # of first over second, under the reward model below
        "reward_model": pl.String,  # asset of the last reward model, before the refresh
        "reward_model_id": pl.String,
        "choice": pl.String,  # uncertainty | random
        "place": pl.Int32,  # in the queue, from 0
    },
    # one row per label: pair, and who says which response is better
    "preference_labels": {
        **LOOP_SLICE,
        "pair_id": pl.String,
        "prompt_id": pl.String,
        "oracle": pl.String,  # gold | judge | people
        "oracle_id": pl.String,  # version of the gold program, judge_id, or a person's name
        "preferred": pl.String,  # first | second | tie | undecided
        "answer": pl.String,  # what the oracle said
        "created_at": pl.Datetime("us", "UTC"),
    },
    # one row per prompt that produced a pair; by the rule all_above_margin, per prompt and pair
    "dpo_pairs": {
        **LOOP_SLICE,
        "prompt_id": pl.String,
        "prompt": MESSAGES,
        "chosen": MESSAGES,
        "rejected": MESSAGES,
        "chosen_response_index": pl.Int32,
        "rejected_response_index": pl.Int32,
        "chosen_reward": pl.Float64,
        "rejected_reward": pl.Float64,
        "chosen_penalised_reward": pl.Float64,
        "rejected_penalised_reward": pl.Float64,
        "margin": pl.Float64,  # of the penalised rewards
        "rule": pl.String,
    },
    # one row per slice: its responses and pairs before they are trained on; `_se`: by prompt
    "iteration_health": {
        **LOOP_SLICE,
        "ranker": pl.String,
        "prompts": pl.Int64,
        "responses": pl.Int64,
        "pairs": pl.Int64,
        "reward_length_slope": pl.Float64,  # reward units a character, within prompts
        "reward_length_slope_se": pl.Float64,
        "reward_length_correlation": pl.Float64,  # mean of Pearson's r within prompts, characters
        "reward_length_correlation_se": pl.Float64,
        "response_chars": pl.Float64,
        "response_chars_se": pl.Float64,
        "chosen_minus_rejected_chars": pl.Float64,
        "chosen_minus_rejected_chars_se": pl.Float64,
        "chosen_to_rejected_chars": pl.Float64,  # ratio of the mean lengths
        "chosen_to_rejected_chars_se": pl.Float64,
        "longer_chosen_share": pl.Float64,  # of pairs, equal lengths one half
        "longer_chosen_share_se": pl.Float64,
        "repeated_4gram_share": pl.Float64,  # within a response
        "repeated_4gram_share_se": pl.Float64,
        "duplicate_share": pl.Float64,  # responses that another prompt has, too
        "duplicate_share_se": pl.Float64,
        "truncated_share": pl.Float64,
        "truncated_share_se": pl.Float64,
        "refusal_share": pl.Float64,
        "refusal_share_se": pl.Float64,
        "other_ranker": pl.String,  # that scored the same responses; null where none has
        "ranker_agreement": pl.Float64,  # of the two, over pairs of a prompt's responses
        "ranker_agreement_se": pl.Float64,
    },
    # one row per reference, compute type and sequence (a prompt's and a completion's token ids)
    "reference_logps": {
        "reference_id": pl.String,  # checkpoint of the reference
        "dtype": pl.String,  # that it computes in: float32 | bfloat16
        "sequence_id": pl.String,  # hash of the token ids
        "completion_tokens": pl.Int32,
        "logp": pl.Float64,  # nats, summed over the completion and its end of turn
    },
    # one row per prompt of an iteration that produced no pair
    "dropped_pairs": {
        **LOOP_SLICE,
        "prompt_id": pl.String,
        "reason": pl.String,
    },
    # one row per trained (or initial) model
    "checkpoints": {
        **LOOP_SLICE,
        "asset": pl.String,
        "checkpoint_id": pl.String,  # hash of weights, tokenizer and chat template
        "kind": pl.String,  # causal_lm | reward_model
        "parent_id": pl.String,
        "reference_id": pl.String,
        "settings": pl.String,  # JSON
        "inputs": pl.String,  # JSON: upstream asset -> output id
        "path": pl.String,  # relative to the lake's root
        "created_at": pl.Datetime("us", "UTC"),
    },
    # one row per metric of a logged optimiser step
    "training_metrics": {
        **LOOP_SLICE,
        "asset": pl.String,
        "step": pl.Int32,
        "epoch": pl.Float64,
        "metric": pl.String,
        "value": pl.Float64,
    },
    # one row per evaluation response
    "evaluation_responses": {
        **LOOP_SLICE,
        "model": pl.String,  # asset of the policy
        "policy_id": pl.String,
        "evaluation_id": pl.String,  # hash of settings, prompts, reference and reward model
        "split": pl.String,  # validation | evaluation
        "decoding": pl.String,  # sampled | greedy
        "prompt_id": pl.String,
        "response_index": pl.Int32,
        "response": pl.String,
        "response_tokens": pl.Int32,
        "response_chars": pl.Int32,
        "finish_reason": pl.String,
        "reward": pl.Float64,
        "gold_reward": pl.Float64,
        "policy_logp": pl.Float64,  # nats, summed over the response and its end of turn
        "reference_logp": pl.Float64,  # the same under pi_0
    },
    # one row per model, split, decoding and metric; `versus` names the model of a difference
    "evaluation_results": {
        **LOOP_SLICE,
        "model": pl.String,
        "policy_id": pl.String,
        "split": pl.String,
        "decoding": pl.String,
        "metric": pl.String,
        "versus": pl.String,
        "value": pl.Float64,
        "standard_error": pl.Float64,  # clustered by prompt
        "prompts": pl.Int64,
        "low": pl.Float64,  # 95% interval by the bootstrap over prompts; null in older rows
        "high": pl.Float64,
    },
    # one row per policy, reward model of an experiment with feedback, and split
    "reward_accuracy": {
        **LOOP_SLICE,  # the iteration is the policy's, 0 for pi_0
        "policy": pl.String,  # asset whose sampled responses are ordered
        "policy_id": pl.String,
        "reward_model": pl.String,  # asset that orders them
        "reward_model_id": pl.String,
        "refreshes": pl.Int32,  # of the reward model; 0 for the one before the loop
        "split": pl.String,  # validation | evaluation
        "accuracy": pl.Float64,  # against the gold reward, a tie of the rewards one half
        "standard_error": pl.Float64,  # clustered by prompt
        "prompts": pl.Int64,
    },
    # one row per model, data mixture, bench set, weights, section or subset, and metric
    "reward_bench_results": {
        "bench": pl.String,  # name in transforms.reward_bench.sets
        "model": pl.String,  # asset
        "model_id": pl.String,  # checkpoint
        "kind": pl.String,  # reward_model | preference_model | judge
        "mixture": pl.String,  # that it was trained on
        "weights": pl.String,  # of the section's subsets, by name; null for a subset
        "level": pl.String,  # section | subset
        "name": pl.String,
        "metric": pl.String,  # pair_accuracy | longer_wins (length alone, on the same pairs)
        "value": pl.Float64,  # per cent; null where `missing` is not empty
        "standard_error": pl.Float64,  # percentage points, clustered by prompt; null: undefined
        "pairs": pl.Int64,
        "unscored_pairs": pl.Int64,  # longer than the model reads; in no value
        "missing": pl.String,  # subsets without a scored pair
    },
    # one row per model, benchmark, item, and repeat of it
    "benchmark_answers": {
        **LOOP_SLICE,
        "model": pl.String,  # asset of the policy
        "policy_id": pl.String,
        "benchmark": pl.String,  # name in the recipe
        "subset": pl.String,  # subject or category; the benchmark's name where it has none
        "item": pl.String,  # key in the benchmark's data
        "repeat": pl.Int32,  # 0, 1, ...
        "request_id": pl.String,  # hash of all that was asked, and of how
        "answer": pl.String,  # text as generated; JSON log-likelihoods of the choices, nats
        "extracted": pl.String,  # what the answer was taken to be; null where nothing was found
        "score": pl.Float64,  # by the benchmark's own metric; null where it is judged, or not run
        "scores": pl.List(pl.Struct({"metric": pl.String, "value": pl.Float64})),  # by all metrics
        "finish_reason": pl.String,  # stop | length; null where nothing was generated
    },
    # one row per model, benchmark, subset and metric
    "benchmark_results": {
        **LOOP_SLICE,
        "model": pl.String,  # asset of the policy
        "policy_id": pl.String,
        "benchmark": pl.String,  # name in the recipe
        "subset": pl.String,  # all | subject or category
        "metric": pl.String,
        "value": pl.Float64,  # per cent; MT-Bench's score 1 to 10; null where nothing was scored
        "standard_error": pl.Float64,  # in the unit of the value; null with one item
        "low": pl.Float64,  # interval around the value
        "high": pl.Float64,
        "interval": pl.String,  # its kind, and what was drawn
        "items": pl.Int64,  # that have the metric
        "unscored_items": pl.Int64,  # that were answered and have not
        "judge_id": pl.String,  # null where no judge was asked
        "benchmark_id": pl.String,  # hash of data, settings, shots, versions and judge
        "source": pl.String,  # what measured, with its version
    },
    # one row per model, baseline, split, decoding and judge
    "length_controlled_win_rates": {
        **LOOP_SLICE,
        "model": pl.String,
        "policy_id": pl.String,
        "versus": pl.String,
        "versus_id": pl.String,
        "split": pl.String,
        "decoding": pl.String,
        "judged_by": pl.String,  # reward | gold_reward | a judge_id
        "win_rate": pl.Float64,  # share; the interval beside it is of 95%, over prompts
        "standard_error": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "length_controlled_win_rate": pl.Float64,  # null where length cannot be told from quality
        "length_controlled_standard_error": pl.Float64,
        "length_controlled_low": pl.Float64,
        "length_controlled_high": pl.Float64,
        "length_coefficient": pl.Float64,  # log-odds; below 0 where the longer side is preferred
        "longer_share": pl.Float64,  # of pairs whose longer side is the model's
        "response_chars": pl.Float64,
        "baseline_chars": pl.Float64,
        "pairs": pl.Int64,
        "prompts": pl.Int64,
    },
    # one row per request to the judge of a benchmark
    "benchmark_verdicts": {
        **LOOP_SLICE,
        "model": pl.String,  # asset of the policy
        "policy_id": pl.String,
        "benchmark": pl.String,  # name in the recipe
        "subset": pl.String,
        "item": pl.String,  # as in `benchmark_answers`
        "turn": pl.Int32,  # 1; MT-Bench 1 and 2
        "shown_first": pl.String,  # model | baseline; null where one answer is rated
        "repeat": pl.Int32,  # 0 is the verdict that counts; others show the judge's own noise
        "request_id": pl.String,  # hash of all that was sent, of the judge and the repeat
        "judge_id": pl.String,  # its row in `judges` holds the prompts
        "prompt": pl.String,  # name of the template
        "prompt_version": pl.String,  # hash of the template
        "verdict": pl.String,  # as marked: 7, A>B, m ...; null where there is none of the form
        "rating": pl.Float64,  # 1 to 10
        "share": pl.Float64,  # of a win of the model
        "is_weighted": pl.Boolean,  # whether the share is of token probabilities, or discrete
        "raw_text": pl.String,
        "finish_reason": pl.String,  # stop | length; null without an answer
        "error": pl.String,  # why there is no answer
        "elapsed_s": pl.Float64,  # retries included; null where many are answered at once
    },
    # one row per experiment: its best iterate on the validation prompts
    "selected_policies": {
        **LOOP_SLICE,
        "model": pl.String,
        "policy_id": pl.String,
        "metric": pl.String,
        "value": pl.Float64,
        "standard_error": pl.Float64,
    },
    # one row per decision on which policy is the current one; the first makes pi_0 it
    "promotions": {
        **LOOP_SLICE,
        "decision_id": pl.String,  # hash of both policies, the figures and the settings
        "model": pl.String,  # asset of the challenger
        "policy_id": pl.String,
        "current_id": pl.String,  # policy that it challenged; null in the first row
        "promoted": pl.Boolean,
        "reason": pl.String,
        "metric": pl.String,
        "decoding": pl.String,
        "advantage": pl.Float64,  # challenger less current, win rates less one half
        "standard_error": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "level": pl.Float64,  # of the interval
        "prompts": pl.Int64,
        "evaluation_id": pl.String,
        "judge_id": pl.String,  # null where no judge was asked
        "falls": pl.List(
            pl.Struct(
                {
                    "benchmark": pl.String,
                    "metric": pl.String,
                    "value": pl.Float64,
                    "current_value": pl.Float64,
                    "fall": pl.Float64,  # in the unit of the value
                    "max_fall": pl.Float64,
                    "missing": pl.String,  # why there is no fall
                }
            )
        ),
        "created_at": pl.Datetime("us", "UTC"),
    },
    # one row per materialization of an asset: what it read, with which settings, what it made
    "materializations": {
        "asset": pl.String,
        "experiment": pl.String,
        "output_id": pl.String,  # table@version, or checkpoint id
        "settings": pl.String,  # JSON
        "inputs": pl.String,  # JSON: upstream asset -> output id
        "run_id": pl.String,
        "elapsed_s": pl.Float64,
        "created_at": pl.Datetime("us", "UTC"),
    },
    # one row per materialization: what it took
    "costs": {
        "asset": pl.String,
        "experiment": pl.String,
        "output_id": pl.String,
        "run_id": pl.String,
        "elapsed_s": pl.Float64,
        "rows": pl.Int64,  # of its table; or examples over all epochs; null where neither is known
        "tokens": pl.Int64,  # sampled or trained on; null for other work
        "bytes": pl.Int64,  # written to the lake, checkpoints included
        "created_at": pl.Datetime("us", "UTC"),
    },
}

PARTITIONS: dict[str, list[str]] = {
    "demonstrations": ["source"],
    "preference_pairs": ["source"],
    "dropped_rows": ["table", "source"],
    "mixture_pairs": ["mixture"],
    "generations": ["experiment", "iteration"],
    "sampling_stops": ["experiment", "iteration"],
    "scores": ["experiment", "iteration"],
    "judgments": ["judge_id"],
    "label_queue": ["experiment", "iteration"],
    "preference_labels": ["experiment", "iteration"],
    "dpo_pairs": ["experiment", "iteration"],
    "reference_logps": ["reference_id"],
    "iteration_health": ["experiment", "iteration"],
    "dropped_pairs": ["experiment", "iteration"],
    "evaluation_responses": ["experiment"],
    "evaluation_results": ["experiment"],
    "reward_accuracy": ["experiment"],
    "reward_bench_results": ["model"],
    "benchmark_answers": ["experiment", "model", "benchmark"],
    "benchmark_results": ["experiment", "model", "benchmark"],
    "benchmark_verdicts": ["experiment", "model", "benchmark"],
    "length_controlled_win_rates": ["experiment"],
}


NEWEST = pl.CompatLevel.newest()
"""Arrow layout of text that polars has itself: handed to the Delta writer without a copy."""


def enforce(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the table's columns in order, or refuse it.

    Raises:
        InputError: a column is missing, unknown, or of another type. All differences are listed.
    """
    schema = SCHEMAS[table]
    differences = [f"{name} missing" for name in schema if name not in frame.columns]
    differences += [f"{name} unknown" for name in frame.columns if name not in schema]
    differences += [
        f"{name} is {frame.schema[name]}, not {dtype}"
        for name, dtype in schema.items()
        if name in frame.columns and frame.schema[name] != dtype
    ]
    if differences:
        raise InputError(
            f"rows do not fit table {table}",
            expected=", ".join(f"{name}: {dtype}" for name, dtype in schema.items()),
            found="; ".join(differences),
            remedy="cast or rename in the function that makes the rows",
        )
    return frame.select(list(schema))


def with_every_column(table: str, frame: pl.LazyFrame, written: DeltaTable) -> pl.LazyFrame:
    """Return a table's frame in today's columns: those that it was written without are null."""
    found = {field.name for field in written.schema().fields}
    return frame.select(
        pl.col(name) if name in found else pl.lit(None, dtype).alias(name)
        for name, dtype in SCHEMAS[table].items()
    )
