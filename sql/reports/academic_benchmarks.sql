-- One row per policy on the academic benchmarks, as in the paper's Table 5, whose rows follow ours.
-- Accuracy in per cent; `_se` is the standard error over items (for MMLU over subjects); the paper
-- gives none. Null: not measured. `source` is the place of a row in the paper.
-- There are rows once a policy is measured on a benchmark of Table 5, such as gsm8k (recipe key
-- `benchmarks`).
with

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
        figure,
        number
    from reported_scores_and_errors
    where report = 'academic_benchmarks'
),

columns_of_figures as (
    pivot (from numbers where exists (from numbers where origin = 'ours'))
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
