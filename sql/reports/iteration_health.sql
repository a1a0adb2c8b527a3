-- One row per slice of the loop, measured before its policy was trained: does reward follow length,
-- is the longer response chosen, do responses repeat themselves, one another, end at max_tokens or
-- refuse, and does another ranker order them alike? Columns: transforms/lake/schemas/loop.py. `_se` is
-- the standard error clustered by prompt. `prefloop report` prints which figures are beyond a bound
-- of the recipe's `health`.
with

iteration_health as (select * from iteration_health)

select *
from iteration_health
order by experiment, iteration
