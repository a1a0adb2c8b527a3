-- One row per policy of the loop with a benchmark figure, as in the paper's Table 6, whose rows follow
-- ours: the effect of the ranker and of the length penalty (reward units per character or token, or
-- `calibrated`). Per cent; response_length is the mean length of the answers to Arena-Hard, in
-- characters for our rows; the paper does not give its unit. `_se` is the standard error over items;
-- the paper gives none. Null: not measured, or no penalty. `source` is the place of a row in the paper.
-- `note` marks an alpaca_eval_lc that is an extrapolation (see judged_benchmarks).
-- There are rows once a policy of the loop is measured on a benchmark of Table 6 (recipe key
-- `benchmarks`).
with

numbers as (
    select
        line,
        origin,
        label,
        experiment,
        model,
        ranker,
        length_penalty,
        method,
        judge_id,
        policy_id,
        source,
        max(note) over (partition by report, origin, line) as note,
        figure,
        number
    from reported_scores_and_errors
    where
        report = 'ablations'
        and experiment is distinct from 'shared'
),

columns_of_figures as (
    pivot (from numbers where exists (from numbers where origin = 'ours'))
    on figure in ablations_column
    using max(number)
)

select
    origin,
    label,
    experiment,
    model,
    ranker,
    length_penalty,
    method,
    columns_of_figures.* exclude (line, origin, label, experiment, model, ranker, length_penalty, method, judge_id, policy_id, source, note),
    judge_id,
    policy_id,
    source,
    note
from columns_of_figures
order by origin, line
