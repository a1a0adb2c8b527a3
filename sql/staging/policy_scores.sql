-- One row per policy, report and column: its figures in the reports that repeat the paper's Tables
-- 4, 5 and 6, and how it was trained. Per cent, MT-Bench from 1 to 10, response_length in
-- characters over its answers to Arena-Hard; standard_error is over the items. A figure that was
-- not measured, or not scored, has no row. `note` is that of `benchmark_results`. Benchmarks are
-- matched by their names in the recipe; one with another name is only in `benchmark_results`.
with

benchmark_results as (select * from benchmark_results where subset = 'all'),

benchmark_columns as (select * from benchmark_columns),

policy_methods as (select * from policy_methods),

figures as (
    select
        benchmark_results.experiment,
        benchmark_results.iteration,
        benchmark_results.model,
        benchmark_results.policy_id,
        benchmark_columns.report,
        benchmark_columns.name,
        benchmark_results.value,
        benchmark_results.standard_error,
        benchmark_results.note
    from benchmark_results
    inner join benchmark_columns using (benchmark, metric)
    where benchmark_results.value is not null
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

-- an asset may have produced the same weights twice; the name of a replaced checkpoint is asset@id
methods as (
    select
        experiment,
        asset,
        checkpoint_id as policy_id,
        arg_max(method, commit_version) as method,
        arg_max(ranker, commit_version) as ranker,
        arg_max(length_penalty, commit_version) as length_penalty
    from policy_methods
    group by experiment, asset, checkpoint_id
)

select
    figures.report,
    figures.name,
    figures.value,
    figures.standard_error,
    figures.note,
    figures.experiment,
    replace(figures.model, '/policy', '') as model,
    concat_ws(
        ': ', nullif(figures.experiment, 'shared'), replace(figures.model, '/policy', '')
    ) as label,
    dense_rank() over (
        order by
            figures.experiment <> 'shared',
            figures.experiment,
            figures.iteration,
            baseline_position(figures.model) nulls last,
            figures.policy_id,
            figures.model
    ) as line,
    methods.method,
    methods.ranker,
    methods.length_penalty,
    judges.judge_id,
    figures.policy_id
from figures
left join methods
    on methods.experiment = figures.experiment
    and methods.asset = split_part(figures.model, '@', 1)
    and methods.policy_id = figures.policy_id
left join judges
    on judges.experiment = figures.experiment
    and judges.model = figures.model
    and judges.policy_id = figures.policy_id
