-- One row per slice of the loop, measured before its policy was trained: the relation of reward and
-- length, how often the longer response is chosen, repetition within and across responses,
-- responses cut at max_tokens, refusals, and the agreement with another ranker. Columns:
-- transforms/lake/schemas/loop.py. `_se` is the standard error clustered by prompt. `prefloop
-- report` prints which values are beyond a bound of the recipe's `health`.
-- There are rows once an iteration has its pairs (asset iteration_1/dpo_pairs).
with

iteration_health as (select * from iteration_health)

select *
from iteration_health
order by experiment, iteration
