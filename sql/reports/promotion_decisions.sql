-- One row per decision on the current policy, the last one first: the model that was compared with
-- the current policy, whether it was promoted, and why. `advantage` is the model's metric minus the
-- current policy's (a win rate minus one half) on the prompts of `split`; `_low` and `_high` are its
-- interval at `level`. All decisions of the lake share one error rate, so the level of decision
-- `number` rises with the number.
-- There are rows once a run decides on promotion (recipe key `promotion`).
with

promotions as (select * from promotions)

select
    strftime(created_at at time zone 'UTC', '%Y-%m-%d %H:%M') as decided_utc,
    experiment,
    model,
    promoted,
    metric,
    advantage,
    low as advantage_low,
    high as advantage_high,
    level,
    number,
    split,
    reason,
    policy_id,
    current_id
from promotions
order by commit_version desc
