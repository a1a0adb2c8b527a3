-- Passes when every model's benchmark figures match its answers. One row per model and benchmark
-- whose figures do not match the answers: items are missing, have two answers, or have answers from
-- another policy.
with

benchmark_results as (select * from benchmark_results),

benchmark_answers as (select * from benchmark_answers),

measured as (
    select distinct experiment, benchmark, model, policy_id, items + unscored_items as items
    from benchmark_results
    where subset = 'all'
),

answered as (
    select
        experiment,
        benchmark,
        model,
        policy_id,
        count(distinct (subset, item)) as answered_items,
        count(*) - count(distinct (subset, item, repeat)) as answered_twice
    from benchmark_answers
    group by all
)

select measured.*, answered.answered_items, answered.answered_twice
from measured
left join answered using (experiment, benchmark, model, policy_id)
where measured.items is distinct from answered.answered_items or answered.answered_twice > 0
order by all
