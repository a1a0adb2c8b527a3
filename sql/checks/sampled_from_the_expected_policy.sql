-- Passes when all responses are from the newest checkpoints of their samplers. One row per set of
-- responses of an iteration whose policy is not the newest checkpoint that their sampler uses:
-- `current`, the policy of the iteration before (π₀ in iteration 1); `previous`, the policy
-- before `current`, if there is one, else π₀; `initial`, π₀; `step@s`, the weights after a
-- share s of the training steps of the current policy (π₀ in iteration 1). The experiments
-- one_shot and length_study sample π₀.
with

generations as (select * from generations),

checkpoints as (select * from checkpoints),

-- without supervised fine-tuning, the settings of the initial model state that it is π₀
initial as (
    select if(
        coalesce(arg_max(settings, commit_version)::json ->> '$.is_initial_policy' = 'true', false),
        'initial_model',
        'sft_policy'
    ) as asset
    from checkpoints
    where asset = 'initial_model'
),

sampled as (
    select
        experiment,
        iteration,
        policy_id,
        sampler_policy,
        count(*) as responses,
        case
            when iteration <= 1 or sampler_policy = 'initial' then initial.asset
            when sampler_policy = 'previous' and iteration = 2 then initial.asset
            when sampler_policy = 'previous' then 'iteration_' || (iteration - 2) || '/policy'
            when sampler_policy like 'step@%'
                then 'iteration_' || (iteration - 1) || '/policy' || substr(sampler_policy, 5)
            when sampler_policy = 'current'
                then 'iteration_' || (iteration - 1) || '/policy'
        end as expected_policy
    from generations, initial
    group by all
),

newest as (
    select asset, experiment, max_by(checkpoint_id, commit_version) as expected_policy_id
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
