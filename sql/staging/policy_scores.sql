-- One row per policy: its figures of the paper's Tables 4, 5 and 6 as columns and how it was trained.
-- Per cent, MT-Bench from 1 to 10, response_length in characters over its answers to Arena-Hard;
-- `_se` is the standard error over the items. Null: not measured, or nothing was scored. A benchmark
-- counts by its name in the recipe; one under another name is in `benchmark_results` alone.
with

benchmark_results as (select * from benchmark_results where subset = 'all'),

policy_methods as (select * from policy_methods),

-- which figure of a benchmark the paper prints, and the column that it stands in
printed as (
    select *
    from (
        values
        ('alpaca_eval', 'length_controlled_win_rate', 'alpaca_eval_lc'),
        ('mt_bench', 'score', 'mt_bench'),
        ('arena_hard', 'win_rate', 'arena_hard'),
        ('arena_hard', 'response_chars', 'response_length'),
        ('gsm8k', 'exact_match_flexible', 'gsm8k'),
        ('mmlu', 'accuracy', 'mmlu'),
        ('humaneval', 'pass_at_1', 'humaneval'),
        ('truthfulqa', 'mc2', 'truthfulqa'),
        ('arc_challenge', 'accuracy_norm', 'arc'),
        ('mbpp', 'pass_at_1', 'mbpp')
    ) as figures (benchmark, metric, figure)
),

measured as (
    select
        experiment, iteration, model, policy_id, figure, value, standard_error
    from benchmark_results
    inner join printed using (benchmark, metric)
),

numbers as (
    select experiment, iteration, model, policy_id, figure, value as number from measured
    union all
    select experiment, iteration, model, policy_id, figure || '_se' as figure, standard_error
    from measured
),

columns_of_figures as (
    pivot numbers
    on figure in (
        'alpaca_eval_lc', 'alpaca_eval_lc_se', 'mt_bench', 'mt_bench_se', 'arena_hard',
        'arena_hard_se', 'response_length', 'response_length_se', 'gsm8k', 'gsm8k_se', 'mmlu',
        'mmlu_se', 'humaneval', 'humaneval_se', 'truthfulqa', 'truthfulqa_se', 'arc', 'arc_se',
        'mbpp', 'mbpp_se'
    )
    using max(number)
    group by experiment, iteration, model, policy_id
),

-- the judges of a policy's answers: a figure holds for its judge
judges as (
    select
        experiment,
        model,
        policy_id,
        string_agg(distinct judge_id, ', ' order by judge_id) as judge_id
    from benchmark_results
    group by experiment, model, policy_id
),

-- an asset may have arrived at the same weights twice; a replaced checkpoint is asset@id
methods as (
    select
        experiment,
        asset,
        checkpoint_id as policy_id,
        arg_max(method, created_at) as method,
        arg_max(ranker, created_at) as ranker,
        arg_max(length_penalty, created_at) as length_penalty
    from policy_methods
    group by experiment, asset, checkpoint_id
)

select
    columns_of_figures.experiment,
    replace(columns_of_figures.model, '/policy', '') as model,
    concat_ws(
        ': ',
        nullif(columns_of_figures.experiment, 'shared'),
        replace(columns_of_figures.model, '/policy', '')
    ) as label,
    row_number() over (
        order by
            columns_of_figures.experiment <> 'shared',
            columns_of_figures.experiment,
            columns_of_figures.iteration,
            baseline_position(columns_of_figures.model) nulls last,
            columns_of_figures.policy_id
    ) as line,
    methods.method,
    methods.ranker,
    methods.length_penalty,
    judges.judge_id,
    columns_of_figures.* exclude (experiment, model)
from columns_of_figures
left join methods
    on methods.experiment = columns_of_figures.experiment
    and methods.asset = split_part(columns_of_figures.model, '@', 1)
    and methods.policy_id = columns_of_figures.policy_id
left join judges
    on judges.experiment = columns_of_figures.experiment
    and judges.model = columns_of_figures.model
    and judges.policy_id = columns_of_figures.policy_id
