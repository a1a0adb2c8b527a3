-- Passes when the judge gave enough usable verdicts on every benchmark. One row per model and
-- benchmark with too many unusable answers of the judge (without a verdict of the required form, or
-- no answer at all): more than the judge's `max_unparsed_share`. Repeats, which measure the judge's
-- noise, do not count.
with

verdicts as (select * from counted_benchmark_verdicts where repeat = 0),

judges as (select * from judges),

counted as (
    select
        experiment,
        benchmark,
        model,
        judge_id,
        count(*) as requests,
        count(*) filter (share is null and rating is null and error is null) as without_verdict,
        count(*) filter (error is not null) as unanswered,
        any_value(error) as first_error
    from verdicts
    group by experiment, benchmark, model, judge_id
)

select
    counted.*,
    (counted.without_verdict + counted.unanswered) / counted.requests as unusable_share,
    judges.max_unparsed_share
from counted
left join judges using (judge_id)
where judges.max_unparsed_share is null
    or (counted.without_verdict + counted.unanswered) / counted.requests
    > judges.max_unparsed_share
order by counted.experiment, counted.benchmark, counted.model, counted.judge_id
