-- One row per current policy (at most one): the policy that was promoted last, with the reason and
-- the folder of the model in the lake. No row if no policy was ever promoted: only runs of a recipe
-- with the key `promotion` (or with --set promotion.level=0.95) promote policies. All decisions:
-- promotion_decisions.
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
