-- One row per policy on the chat benchmarks, as in the paper's Table 4, whose rows follow ours.
-- alpaca_eval_lc is the length-controlled win rate of AlpacaEval 2 and arena_hard a win rate, both in
-- per cent; mt_bench is a score from 1 to 10. `_se` is the standard error over items; the paper gives
-- none. Null: not measured. Figures are comparable only with the same judge (`judge_id`); the paper's
-- judge is GPT-4. `source` is the place of a row in the paper. `note` marks an alpaca_eval_lc that is
-- an extrapolation (see judged_benchmarks).
-- There are rows once a policy is measured on alpaca_eval, mt_bench or arena_hard (recipe keys
-- `benchmarks` and `judge`).
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
        judge_id,
        policy_id,
        source,
        max(note) over (partition by report, origin, line) as note,
        figure,
        number
    from reported_scores_and_errors
    where report = 'chat_benchmarks'
),

columns_of_figures as (
    pivot (from numbers where exists (from numbers where origin = 'ours'))
    on figure in chat_benchmarks_column
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
    columns_of_figures.* exclude (line, origin, label, experiment, model, size, method, ranker, judge_id, policy_id, source, note),
    judge_id,
    policy_id,
    source,
    note
from columns_of_figures
order by origin, line
