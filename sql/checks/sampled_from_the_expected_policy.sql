-- A row is a set of responses of an iteration that another model gave than the newest checkpoint of
-- the policy that the iteration samples: pi_0 in iteration 1, then the policy of the one before.
-- The one_shot and length_study experiments sample pi_0.
with

generations as (select * from generations),

checkpoints as (select * from checkpoints),

sampled as (
    select
        experiment,
        iteration,
        policy_id,
        count(*) as responses,
        case
            when iteration > 1 then 'iteration_' || (iteration - 1) || '/policy'
            else 'sft_policy'
        end as expected_policy
    from generations
    group by all
),

newest as (
    select asset, experiment, max_by(checkpoint_id, created_at) as expected_policy_id
    from checkpoints
    group by asset, experiment
)

select sampled.*, newest.expected_policy_id
from sampled
left join newest
    on newest.asset = sampled.expected_policy
    and newest.experiment in (sampled.experiment, 'shared')
where newest.expected_policy_id is distinct from sampled.policy_id
order by all
