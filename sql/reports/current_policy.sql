-- One row per current policy (at most one): the policy that was promoted last, with the reason and
-- the folder of the model in the lake. All decisions: promotion_decisions.
-- There are rows once a run decides on promotion (recipe key `promotion`).
with

promotions as (select * from promotions where promoted),

checkpoints as (select distinct checkpoint_id, path from checkpoints)

select
    promotions.policy_id,
    promotions.model,
    promotions.experiment,
    strftime(promotions.created_at at time zone 'UTC', '%Y-%m-%d %H:%M') as promoted_utc,
    promotions.reason,
    checkpoints.path
from promotions
left join checkpoints on checkpoints.checkpoint_id = promotions.policy_id
order by promotions.commit_version desc
limit 1
