-- One row per policy of an iteration, baseline, decoding and judge on the evaluation prompts: the
-- win rate, raw and at equal length (Dubois et al. 2024, arXiv 2404.04475), as shares of a win,
-- with standard errors and intervals over prompts. `judged_by` is reward, gold_reward, or a judge's
-- id. `length_coefficient` is below 0 if the longer response is preferred. `note` marks a rate at
-- equal length that is an extrapolation: fewer than 10 % of the responses are longer, or shorter,
-- than the baseline's.
-- There are rows once policies are evaluated with evaluation.length_control=true.
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
    note,
    length_coefficient,
    longer_share,
    response_chars,
    baseline_chars,
    pairs,
    prompts
from length_controlled_win_rates
where split = 'evaluation'
order by experiment, iteration, versus, decoding, judged_by
