-- Passes when every judge has at most its allowed share of unusable answers. One row per judge
-- whose share of unusable answers (unparseable, or no answer at all) is above its
-- `max_unparsed_share`, or that has no row in `judges` and so no such limit. The row is repeated
-- for each slice of `scores` that the judge ranked or of `preference_labels` that it labelled;
-- without such a slice it has nulls.
with

verdicts as (select * from verdicts),

judges as (select * from judges),

scores as (select * from scores),

preference_labels as (select * from preference_labels),

answers as (
    select
        judge_id,
        count(*) as answers,
        count(*) filter (verdict = 'unparseable') as unparseable,
        count(*) filter (verdict is null) as unanswered
    from verdicts
    group by judge_id
),

judged_slices as (
    select experiment, iteration, ranker_id as judge_id from scores
    union
    select experiment, iteration, oracle_id as judge_id from preference_labels
    where oracle = 'judge'
)

select
    judged_slices.experiment,
    judged_slices.iteration,
    answers.judge_id,
    judges.model,
    judges.rubric,
    answers.answers,
    answers.unparseable,
    answers.unanswered,
    (answers.unparseable + answers.unanswered) / answers.answers as unusable_share,
    judges.max_unparsed_share
from answers
left join judges using (judge_id)
left join judged_slices using (judge_id)
where judges.max_unparsed_share is null
    or (answers.unparseable + answers.unanswered) / answers.answers > judges.max_unparsed_share
order by answers.judge_id, judged_slices.experiment, judged_slices.iteration
