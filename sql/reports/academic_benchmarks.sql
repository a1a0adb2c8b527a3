-- One row per policy on the academic benchmarks, as in the paper's Table 5, whose rows follow ours.
-- Accuracy in per cent; `_se` is the standard error over items (for MMLU over subjects); the paper
-- gives none. Null: not measured. `source` is the place of a row in the paper.
with

reported_scores as (select * from reported_scores where report = 'academic_benchmarks'),

scores as (
    select * from reported_scores where exists (from reported_scores where origin = 'ours')
),

numbers as (
    select
        line,
        origin,
        label,
        experiment,
        model,
        size,
        method,
        ranker,
        policy_id,
        source,
        unnest([
            {'figure': name, 'number': value},
            {'figure': name || '_se', 'number': standard_error}
        ], recursive := true)
    from scores
),

columns_of_figures as (
    pivot numbers
    on figure in academic_benchmarks_column
    using max(number)
)

select
    origin,
    label,
    experiment,
    model,
    size,
    method,
    ranker,
    columns_of_figures.* exclude (line, origin, label, experiment, model, size, method, ranker, policy_id, source),
    policy_id,
    source
from columns_of_figures
order by origin, line
