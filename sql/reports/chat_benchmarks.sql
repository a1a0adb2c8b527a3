-- One row per policy on the chat benchmarks, the paper's rows below: Table 4. alpaca_eval_lc is the
-- length-controlled win rate of AlpacaEval 2 and arena_hard a win rate, both in per cent; mt_bench is
-- a score from 1 to 10. `_se` is the standard error over the items; the paper gives none. Null: not
-- measured. A figure holds for its judge (`judge_id`); the paper's judge is GPT-4. `source` says where
-- the paper prints a row.
with

policy_scores as (
    select * from policy_scores where coalesce(alpaca_eval_lc, mt_bench, arena_hard) is not null
),

published_chat_benchmarks as (select * from published_chat_benchmarks),

both_tables as (
    select 'ours' as origin, *, null as size, null as source from policy_scores
    union all by name
    select 'paper' as origin, *, model as label
    from published_chat_benchmarks
    where exists (from policy_scores)
)

select
    origin,
    label,
    experiment,
    model,
    size,
    method,
    ranker,
    alpaca_eval_lc,
    alpaca_eval_lc_se,
    mt_bench,
    mt_bench_se,
    arena_hard,
    arena_hard_se,
    judge_id,
    policy_id,
    source
from both_tables
order by origin, line
