-- One row per iterate, baseline, decoding and judge on the evaluation prompts: the win rate as it is
-- and at equal length (Dubois et al. 2024, arXiv 2404.04475), shares of a win, errors and intervals
-- over prompts. `judged_by` is reward, gold_reward, or a judge's id. `length_coefficient` is below 0
-- where the longer side is preferred. Where `longer_share` is near 0 or 1, one side is always the
-- longer, and the rate at equal length is what the curve says beyond the data. Drawn where the recipe
-- sets evaluation.length_control.
with

length_controlled_win_rates as (select * from length_controlled_win_rates)

select
    experiment,
    iteration,
    model,
    versus,
    decoding,
    judged_by,
    win_rate,
    standard_error as win_rate_se,
    length_controlled_win_rate as controlled,
    length_controlled_standard_error as controlled_se,
    length_controlled_low as controlled_low,
    length_controlled_high as controlled_high,
    length_coefficient,
    longer_share,
    response_chars,
    baseline_chars,
    pairs,
    prompts
from length_controlled_win_rates
where split = 'evaluation'
order by experiment, iteration, versus, decoding, judged_by
