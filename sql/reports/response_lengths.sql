-- One row per experiment and iteration: how long sampled responses are and whether length is rewarded.
-- Rewards are a reward model's scalars. The correlation is the mean over prompts of Pearson's r of
-- reward and response_chars (paper, section 2.3), without prompts where either does not vary.
-- `_se` is the standard error clustered by prompt, which may have several pairs.
with

scored_responses as (select * from scored_responses),

pair_lengths as (select * from pair_lengths),

means as (
    select
        experiment,
        iteration,
        count(*) as responses,
        avg(reward) as reward,
        avg(response_chars) as response_chars,
        avg(response_tokens) as response_tokens,
        avg((finish_reason = 'length')::int) as truncated_share
    from scored_responses
    group by experiment, iteration
),

-- of each prompt, how far its responses lie from the mean, in sum
residuals as (
    select
        experiment,
        iteration,
        sum(scored_responses.reward - means.reward) as reward,
        sum(scored_responses.response_chars - means.response_chars) as response_chars,
        sum(scored_responses.response_tokens - means.response_tokens) as response_tokens,
        sum((finish_reason = 'length')::int - means.truncated_share) as truncated_share
    from scored_responses
    inner join means using (experiment, iteration)
    group by experiment, iteration, prompt_id
),

errors as (
    select
        experiment,
        iteration,
        sqrt(count(*) / nullif(count(*) - 1, 0)) as clusters,
        sqrt(sum(reward ** 2)) * clusters as reward,
        sqrt(sum(response_chars ** 2)) * clusters as response_chars,
        sqrt(sum(response_tokens ** 2)) * clusters as response_tokens,
        sqrt(sum(truncated_share ** 2)) * clusters as truncated_share
    from residuals
    group by experiment, iteration
),

responses as (
    select
        experiment,
        iteration,
        means.responses,
        means.reward,
        errors.reward / responses as reward_se,
        means.response_chars,
        errors.response_chars / responses as response_chars_se,
        means.response_tokens,
        errors.response_tokens / responses as response_tokens_se,
        means.truncated_share,
        errors.truncated_share / responses as truncated_share_se
    from means
    inner join errors using (experiment, iteration)
),

varied_prompts as (
    select experiment, iteration, prompt_id, corr(reward, response_chars) as correlation
    from scored_responses
    group by experiment, iteration, prompt_id
    having min(reward) < max(reward) and min(response_chars) < max(response_chars)
),

correlations as (
    select
        experiment,
        iteration,
        avg(correlation) as reward_length_correlation,
        stddev_samp(correlation) / sqrt(count(*)) as reward_length_correlation_se,
        count(*) as correlated_prompts
    from varied_prompts
    group by experiment, iteration
),

pair_figures as (
    select
        experiment,
        iteration,
        prompt_id,
        margin,
        chosen_chars - rejected_chars as longer_by,
        (sign(chosen_chars - rejected_chars) + 1) / 2 as longer
    from pair_lengths
),

pair_means as (
    select
        experiment,
        iteration,
        count(*) as pairs,
        avg(margin) as margin,
        avg(longer_by) as longer_by,
        avg(longer) as longer
    from pair_figures
    group by experiment, iteration
),

pair_residuals as (
    select
        experiment,
        iteration,
        sum(pair_figures.margin - pair_means.margin) as margin,
        sum(pair_figures.longer_by - pair_means.longer_by) as longer_by,
        sum(pair_figures.longer - pair_means.longer) as longer
    from pair_figures
    inner join pair_means using (experiment, iteration)
    group by experiment, iteration, prompt_id
),

pair_errors as (
    select
        experiment,
        iteration,
        sqrt(count(*) / nullif(count(*) - 1, 0)) as clusters,
        sqrt(sum(margin ** 2)) * clusters as margin,
        sqrt(sum(longer_by ** 2)) * clusters as longer_by,
        sqrt(sum(longer ** 2)) * clusters as longer
    from pair_residuals
    group by experiment, iteration
),

pairs as (
    select
        experiment,
        iteration,
        pair_means.pairs,
        pair_means.margin,
        pair_errors.margin / pairs as margin_se,
        pair_means.longer_by as chosen_minus_rejected_chars,
        pair_errors.longer_by / pairs as chosen_minus_rejected_chars_se,
        pair_means.longer as longer_chosen_share,
        pair_errors.longer / pairs as longer_chosen_share_se
    from pair_means
    inner join pair_errors using (experiment, iteration)
)

select *
from responses
left join correlations using (experiment, iteration)
left join pairs using (experiment, iteration)
order by experiment, iteration
