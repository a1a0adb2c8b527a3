-- One row per slice of the loop, measured before its policy was trained: does the reward follow
-- length, is the longer response chosen, do responses repeat phrases or one another, are they cut
-- at max_tokens or refusals, and does another ranker order them in the same way? Columns:
-- transforms/lake/schemas/loop.py. `_se` is the standard error clustered by prompt. `prefloop
-- report` prints which values are beyond a bound of the recipe's `health`.
with

iteration_health as (select * from iteration_health)

select *
from iteration_health
order by experiment, iteration
