"""Settings of the models: how each is built, trained, sampled and evaluated. Imports no torch.

A default taken from the paper (Dong et al. 2024, arXiv 2405.07863) quotes it. Settings classes
are named apart from TRL's `SFTConfig`, `DPOConfig` and vLLM's `SamplingParams`.
"""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from training.feedback_settings import FeedbackSettings
from training.objective_settings import KTOSettings, PairLossSettings, RAFTSettings, RLOOSettings
from training.sampler_settings import SamplerSettings
from training.training_settings import TrainingSettings
from transforms.ranking.adaptive_settings import AdaptiveSettings
from transforms.settings import PairSettings, Settings


class TinyModelSettings(Settings):
    """A Llama-architecture model made here from random weights, with a tokenizer trained here."""

    tokenizer: Literal["word_level", "byte_bpe"] = "word_level"
    """`word_level`: one token a whitespace-separated word; `byte_bpe`: byte-level BPE."""
    vocab_size: int = Field(default=512, ge=16)
    """Most tokens of the vocabulary, specials included."""
    hidden_size: int = Field(default=128, ge=32)
    """Width; hidden_size / heads must be a head size that vLLM runs: 32, 48, 64, 128."""
    intermediate_size: int = Field(default=512, ge=32)
    """Width of the MLP."""
    layers: int = Field(default=4, ge=1)
    """Decoder layers."""
    heads: int = Field(default=4, ge=1)
    """Attention heads."""
    context_tokens: int = Field(default=128, ge=16)
    """Positions of the model, tokens."""
    initializer_range: float = Field(default=0.1, gt=0)
    """Standard deviation of the initial weights; the usual 0.02 learns slowly at this width."""

    @model_validator(mode="after")
    def _head_size(self) -> Self:
        size, rest = divmod(self.hidden_size, self.heads)
        if rest or size not in (32, 48, 64, 128):
            raise ValueError(
                f"hidden_size / heads is {self.hidden_size / self.heads:g};"
                " vLLM on a CPU needs 32, 48, 64 or 128"
            )
        return self


class ModelSettings(Settings):
    """The initial model: a folder or hub id, or one made here."""

    path: str | None = None
    """Local folder or hub id of a causal language model with a chat template."""
    revision: str | None = None
    """Git revision of the hub model."""
    tokenizer: str | None = None
    """Local folder or hub id to take the tokenizer and chat template from, where `path` is a base
    model without a template; null takes them from `path`."""
    tiny: TinyModelSettings | None = None
    """Make the model here instead."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Weights and compute; float32 on a CPU, where bfloat16 is about a hundred times slower."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.path is None) == (self.tiny is None):
            raise ValueError("name exactly one of path, tiny")
        return self


class SFTSettings(TrainingSettings):
    """Supervised fine-tuning of the initial model on `demonstrations`: pi_0."""

    learning_rate: float = Field(default=2e-5, gt=0)
    """Paper, section 3.1: 2e-5."""
    packing: bool = False
    """Pack conversations into blocks of max_tokens. Paper: "packed into blocks of 8192"."""


class RewardModelSettings(TrainingSettings):
    """Bradley-Terry reward model on `preference_pairs`, from pi_0 with a scalar head."""

    learning_rate: float = Field(default=2e-6, gt=0)
    """Paper, section 2.2: 2e-6 for LLaMA-3-8B, 1e-5 for Gemma-2B."""
    mixture: str = "all"
    """Mixture of the recipe that it is trained on; `all` is every source of preferences."""


class PreferenceModelSettings(TrainingSettings):
    """Pairwise preference model: a causal model that answers which of two responses is better."""

    learning_rate: float = Field(default=5e-6, gt=0)
    """Paper, section 2.2: 5e-6 for LLaMA-3-8B, 1e-5 for Gemma-2B."""
    batch_size: int = Field(default=128, ge=1)
    """Examples an optimiser step (packed: blocks). Paper, section 2.2: 128."""
    max_tokens: int = Field(default=3072, ge=8)
    """Longest example, and the block that examples are packed into. Paper: "block size of 3072"."""
    packing: bool = True
    """Pack examples into blocks of `max_tokens`."""
    both_orders: bool = False
    """Train on each pair in both orders, two examples a pair; false draws one order a pair, by a
    hash of its id. The paper's code draws one."""
    mixture: str = "all"
    """Mixture of the recipe that it is trained on; `all` is every source of preferences."""


class RankingSettings(Settings):
    """How n responses are ranked by something that compares two at a time."""

    method: Literal["round_robin", "tournament"] = "round_robin"
    """`round_robin` compares every two of n, n(n-1)/2 comparisons in both orders; `tournament`
    finds best and worst with fewer than 2n. The paper's authors recommend one for large n."""
    batch_tokens: int = Field(default=8192, ge=64)
    """Padded tokens of one forward pass."""
    chunk_prompts: int = Field(default=256, ge=1)
    """Prompts a commit."""


class SamplingSettings(Settings):
    """How responses are drawn with vLLM."""

    samplers: tuple[SamplerSettings, ...] = Field(
        default=(), exclude_if=lambda samplers: not samplers
    )
    """What draws the responses of a prompt, in the order of response_index. Empty: one sampler of
    the current policy with the n, temperature and top_p below. An override replaces the list."""
    adaptive: AdaptiveSettings | None = Field(
        default=None, exclude_if=lambda adaptive: adaptive is None
    )
    """Draw in rounds and stop at a prompt once its margin is settled, at most n responses; null
    draws n. Each round is scored before the next, so that only a reward model can rank. An engine
    is started a round."""
    n: int = Field(default=8, ge=1)
    """Responses a prompt, where `samplers` is empty; else it is the sum of theirs. Paper, section
    3.3: 8; the loop needs at least 2."""
    temperature: float = Field(default=1.0, ge=0)
    """1.0 or 0.7 in the paper; 0 is greedy."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus mass; the paper samples without."""
    max_tokens: int = Field(default=2048, ge=1)
    """Most tokens of a response; a longer one ends with finish_reason `length`."""
    max_context_tokens: int = Field(default=4096, ge=16)
    """Prompt plus response; a prompt that leaves no room for max_tokens is refused by name."""
    max_sequences: int = Field(default=256, ge=1)
    """Sequences that vLLM decodes at once."""
    chunk_prompts: int = Field(default=64, ge=1)
    """Prompts a commit: what a crash can cost."""
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of a GPU's memory that vLLM takes; unused on a CPU."""
    cpu_kv_cache_gib: int = Field(default=1, ge=1)
    """Key-value cache of the CPU build, GiB; unused on a GPU."""
    tensor_parallel_size: int = Field(default=1, ge=1)
    """GPUs that share one copy of the model."""
    replicas: int = Field(default=1, ge=1)
    """Engines side by side, one process each, prompts divided by a stable hash."""

    @model_validator(mode="after")
    def _whole_rounds(self) -> Self:
        if self.adaptive is None:
            return self
        if self.samplers:
            raise ValueError("adaptive n takes one sampler: the first rounds would leave some out")
        if self.n % self.adaptive.round or self.n == self.adaptive.round:
            raise ValueError(
                f"n is {self.n}, which is not two rounds of {self.adaptive.round} or more"
            )
        return self

    @model_validator(mode="after")
    def _greedy_once(self) -> Self:
        for place, sampler in enumerate(self.resolved_samplers() if self.samplers else ()):
            if sampler.temperature == 0 and sampler.n > 1:
                raise ValueError(
                    f"sampler {place} is greedy, and would give {sampler.n} equal texts"
                )
        return self

    def resolved_samplers(self) -> tuple[SamplerSettings, ...]:
        """List the samplers, none of them without a temperature or top_p."""
        own = {"temperature": self.temperature, "top_p": self.top_p}
        return tuple(
            one.model_copy(update=own | one.model_dump(include=set(own), exclude_none=True))
            for one in self.samplers or (SamplerSettings(n=self.n),)
        )

    @property
    def responses_per_prompt(self) -> int:
        """Sum of n over the samplers."""
        return sum(sampler.n for sampler in self.resolved_samplers())


class DPOSettings(PairLossSettings):
    """One DPO run (Rafailov et al. 2023, arXiv 2305.18290, eq. 7), or one with another `loss`."""

    learning_rate: float = Field(default=5e-7, gt=0)
    """Paper, section 3.3: 5e-7."""
    epochs: float = Field(default=2.0, gt=0)
    """Paper: 2 epochs an iteration."""
    beta: float = Field(default=0.1, gt=0)
    """KL strength eta, dimensionless: larger keeps the policy nearer the reference. Paper: 0.1."""


class ScoringSettings(Settings):
    """How a reward model is run over responses."""

    batch_tokens: int = Field(default=2048, ge=64)
    """Padded tokens of one forward pass; rows are grouped by length. 2,048 stays in a CPU core's
    cache; a GPU wants some ten times as many."""
    chunk_rows: int = Field(default=4096, ge=1)
    """Rows a commit."""


class RLOORun(RLOOSettings):
    """One RLOO run: its settings, and what it takes from the loop."""

    sampling: SamplingSettings = SamplingSettings()
    """How its responses are drawn: n, temperature, top_p, max_tokens."""
    scoring: ScoringSettings = ScoringSettings()
    """How the reward model is run over them."""
    pairs: PairSettings = PairSettings()
    """The length penalty, and whether truncated responses are kept out of the gradient."""

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        n = self.sampling.n
        if n < 2 or self.batch_size % n:
            raise ValueError(
                f"rloo.batch_size {self.batch_size} counts responses: it is to be a multiple of"
                f" sampling.n {n}, and n at least 2"
            )
        if self.sampling.samplers or self.sampling.adaptive or self.sampling.temperature == 0:
            raise ValueError(
                "rloo samples the current policy, n at a time: no samplers, no adaptive, a"
                " temperature above 0"
            )
        if self.pairs.length_penalty == "calibrated":
            raise ValueError("rloo has no scored responses to calibrate a length penalty on")
        return self

    def decisive(self) -> dict[str, Any]:
        """Dump the settings that decide the trained weights and their metrics."""
        settings = super().decisive()
        del settings["scoring"]
        return settings | {
            "sampling": self.sampling.model_dump(
                include={"n", "temperature", "top_p", "max_tokens"}
            ),
            "pairs": self.pairs.model_dump(
                include={"length_penalty", "length_unit", "drop_truncated"}
            ),
        }


class LoopSettings(Settings):
    """The iterations. An experiment may override any key below `loop`, and nothing else."""

    iterations: int = Field(default=3, ge=1, le=99)
    """T. Paper: 3. Draws the graph, so no experiment overrides it."""
    sampling: SamplingSettings = SamplingSettings()
    """How the responses of an iteration are drawn."""
    ranker: str = "reward_model"
    """What ranks them: `reward_model`, `reward_model_<name>` of the recipe's `reward_models`,
    `preference_model`, or `judge`."""
    feedback: FeedbackSettings | None = None
    """Fresh labels every iteration, from which the reward model that `ranker` names goes on; null:
    it stays as it is."""
    scoring: ScoringSettings = ScoringSettings()
    """How a reward model is run over them."""
    ranking: RankingSettings = RankingSettings()
    """How a preference model or a judge compares them."""
    pairs: PairSettings = PairSettings()
    """How scored responses become pairs."""
    objective: Literal["dpo", "kto", "raft", "rloo"] = "dpo"
    """How a policy is trained: `dpo`, on pairs, by `dpo.loss`; `kto`, on responses that are
    desirable or not; `raft`, on the best of n; `rloo`, by a policy gradient on fresh samples. The
    group of the same name below holds its settings, learning rate included."""
    dpo: DPOSettings = DPOSettings()
    """How a policy is trained on the pairs."""
    kto: KTOSettings = KTOSettings()
    """How a policy is trained on desirable and undesirable responses."""
    raft: RAFTSettings = RAFTSettings()
    """How a policy is fine-tuned on the best of n."""
    rloo: RLOOSettings = RLOOSettings()
    """How a policy is trained by a policy gradient."""
    reference: Literal["initial", "previous"] = "initial"
    """Reference of DPO. Paper: "always pi_0"; the published scripts use the previous iterate."""
    start: Literal["previous", "initial"] = "previous"
    """Weights that an iteration's training starts from. Paper: the previous iterate."""
    data: Literal["current", "accumulated"] = "current"
    """Pairs that an iteration trains on: its own (as published), or all up to it (Figure 6)."""

    @model_validator(mode="after")
    def _policy_gradient(self) -> Self:
        if self.objective == "rloo":
            self.training()
            if not self.ranker.startswith("reward_model") or self.feedback is not None:
                raise ValueError("rloo is trained on a reward model, and without feedback")
        return self

    @model_validator(mode="after")
    def _adaptive_margins(self) -> Self:
        if self.sampling.adaptive is None:
            return self
        if not self.ranker.startswith("reward_model") or self.feedback is not None:
            raise ValueError(
                "sampling.adaptive scores between rounds, by a reward model that is there before"
                " the responses: no other ranker, and no feedback"
            )
        if self.pairs.length_penalty == "calibrated":
            raise ValueError("sampling.adaptive needs pairs.length_penalty as a number")
        return self

    @property
    def has_responses(self) -> bool:
        """Whether tables hold the responses of an iteration: a policy gradient keeps none."""
        return self.objective != "rloo"

    def training(self) -> TrainingSettings:
        """Settings of the objective's training."""
        if self.objective != "rloo":
            return getattr(self, self.objective)
        taken = ("sampling", "scoring", "pairs")
        return RLOORun(**self.rloo.model_dump(), **{name: getattr(self, name) for name in taken})


class EvaluationSettings(Settings):
    """How models are compared on held-out prompts."""

    samples: int = Field(default=4, ge=1)
    """Sampled responses a prompt, at temperature 1; one greedy response is drawn beside them."""
    selection_metric: Literal["gold_reward", "reward"] = "reward"
    """Validation metric, of sampled responses, that selects the best iterate."""
    logps_batch_tokens: int = Field(default=8192, ge=64)
    """Padded tokens of one forward pass when log-probabilities are computed."""
    length_control: bool = Field(default=False, exclude=True)
    """Draw the asset of win rates at equal length; it reads what was evaluated and changes none of
    it. Half a second of fitting for each pair of models, split, decoding and judge."""
