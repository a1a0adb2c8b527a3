-- Passes when all benchmark figures are from the newest checkpoint of their model. One row per
-- model and benchmark with figures or answers that are not from the newest checkpoint of the
-- model's asset. A replaced checkpoint that was measured by its id has the name `<asset>@<id>` and
-- gives no row.
with

benchmark_results as (select * from benchmark_results),

benchmark_answers as (select * from benchmark_answers),

checkpoints as (select * from checkpoints),

newest as (
    select asset as model, experiment, max_by(checkpoint_id, commit_version) as newest_id
    from checkpoints
    group by asset, experiment
),

measured as (
    select experiment, benchmark, model, policy_id, 'figures' as rows_of from benchmark_results
    union
    select experiment, benchmark, model, policy_id, 'answers' as rows_of from benchmark_answers
)

select measured.*, newest.newest_id
from measured
inner join newest
    on newest.model = measured.model and newest.experiment in (measured.experiment, 'shared')
where newest.newest_id is distinct from measured.policy_id
order by all
