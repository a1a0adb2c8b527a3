-- One row per model and benchmark, the paper's models below: Figure 8, which is Tables 4 and 5 on one
-- scale. Per cent; MT-Bench's score is times five, as in the paper. `standard_error` is over the
-- items; the paper gives none. A benchmark that was not measured has no row.
with

policy_scores as (select * from policy_scores),

published_chat_benchmarks as (select * from published_chat_benchmarks),

published_academic_benchmarks as (select * from published_academic_benchmarks),

-- the paper's figure shows four of its models
published as (
    select
        published_academic_benchmarks.*,
        published_chat_benchmarks.alpaca_eval_lc,
        published_chat_benchmarks.mt_bench,
        published_chat_benchmarks.arena_hard
    from published_academic_benchmarks
    left join published_chat_benchmarks using (model)
),

models as (
    select 'ours' as origin, * from policy_scores
    union all by name
    select 'paper' as origin, model as label, * from published where exists (from policy_scores)
),

bars as (
    select
        origin,
        label,
        experiment,
        line,
        unnest(
            [
                {'benchmark': 'GSM8K', 'value': gsm8k, 'standard_error': gsm8k_se},
                {'benchmark': 'MMLU', 'value': mmlu, 'standard_error': mmlu_se},
                {'benchmark': 'HumanEval', 'value': humaneval, 'standard_error': humaneval_se},
                {'benchmark': 'TruthfulQA', 'value': truthfulqa, 'standard_error': truthfulqa_se},
                {'benchmark': 'ARC', 'value': arc, 'standard_error': arc_se},
                {'benchmark': 'MBPP', 'value': mbpp, 'standard_error': mbpp_se},
                {
                    'benchmark': 'LC AlpacaEval 2',
                    'value': alpaca_eval_lc,
                    'standard_error': alpaca_eval_lc_se
                },
                {
                    'benchmark': 'MT-Bench (×5)',
                    'value': 5 * mt_bench,
                    'standard_error': 5 * mt_bench_se
                },
                {'benchmark': 'Arena-Hard', 'value': arena_hard, 'standard_error': arena_hard_se}
            ]
        ) as bar,
        generate_subscripts(range(9), 1) as place
    from models
)

select
    origin,
    label,
    experiment,
    bar.benchmark,
    bar.value,
    bar.standard_error
from bars
where bar.value is not null
order by origin, line, place
