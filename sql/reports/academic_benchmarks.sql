-- One row per policy on the academic benchmarks, the paper's rows below: Table 5. Accuracy in per
-- cent; `_se` is the standard error over the items (MMLU's over its subjects), the paper gives none.
-- Null: not measured. `source` says where the paper prints a row.
with

policy_scores as (
    select *
    from policy_scores
    where coalesce(gsm8k, mmlu, humaneval, truthfulqa, arc, mbpp) is not null
),

published_academic_benchmarks as (select * from published_academic_benchmarks),

both_tables as (
    select 'ours' as origin, *, null as size, null as source from policy_scores
    union all by name
    select 'paper' as origin, *, model as label
    from published_academic_benchmarks
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
    policy_id,
    source
from both_tables
order by origin, line
