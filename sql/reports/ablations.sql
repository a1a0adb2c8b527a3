-- One row per trained iterate with a benchmark figure, the paper's rows below: Table 6, what the
-- ranker and the length penalty (reward units a character or token, or `calibrated`) do to a policy.
-- Per cent; response_length is the mean over the answers to Arena-Hard, in characters for our rows;
-- the paper does not name its unit. `_se` is the standard error over the items; the paper gives none.
-- Null: not measured, no penalty. `source` says where the paper prints a row.
with

policy_scores as (select * from policy_scores where experiment <> 'shared'),

published_ablations as (select * from published_ablations),

both_tables as (
    select 'ours' as origin, *, null as source from policy_scores
    union all by name
    select
        'paper' as origin,
        * replace (length_penalty::varchar as length_penalty),
        model as label
    from published_ablations
    where exists (from policy_scores)
)

select
    origin,
    label,
    experiment,
    model,
    ranker,
    length_penalty,
    method,
    alpaca_eval_lc,
    alpaca_eval_lc_se,
    arena_hard,
    arena_hard_se,
    response_length,
    response_length_se,
    gsm8k,
    gsm8k_se,
    mmlu,
    mmlu_se,
    humaneval,
    humaneval_se,
    truthfulqa,
    truthfulqa_se,
    arc,
    arc_se,
    mbpp,
    mbpp_se,
    judge_id,
    policy_id,
    source
from both_tables
order by origin, line
