-- One row per trained iterate with a benchmark figure, the paper's rows below: Table 6, what the
-- ranker and the length penalty (reward units a character or token, or `calibrated`) do to a policy.
-- Per cent; response_length is the mean over the answers to Arena-Hard, in characters for our rows;
-- the paper does not name its unit. `_se` is the standard error over the items; the paper gives none.
-- Null: not measured, no penalty. `source` says where the paper prints a row.
with

reported_scores as (select * from reported_scores where report = 'ablations' and experiment is distinct from 'shared'),

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
        ranker,
        length_penalty,
        method,
        judge_id,
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
    columns_of_figures.* exclude (line, origin, label, experiment, model, ranker, length_penalty, method, judge_id, policy_id, source),
    judge_id,
    policy_id,
    source
from columns_of_figures
order by origin, line
