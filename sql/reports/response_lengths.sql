-- One row per experiment and iteration: the lengths of sampled responses, and whether length is
-- rewarded. Rewards are a reward model's scalars. The correlation is the mean over prompts of
-- Pearson's r of reward and response_chars (paper, section 2.3), without prompts where either is
-- constant. `_se` is the standard error clustered by prompt; a prompt may have several pairs.
-- There are rows once responses of an iteration are scored (asset iteration_1/scores).
with

scored_responses as (select * from scored_responses),

pair_lengths as (select * from pair_lengths),

response_sums as (
    select
        experiment,
        iteration,
        prompt_id,
        count(*) as responses,
        count(reward) as rewards,
        sum(reward) as reward,
        sum(response_chars) as response_chars,
        sum(response_tokens) as response_tokens,
        sum((finish_reason = 'length')::int) as truncated,
        if(
            min(reward) < max(reward) and min(response_chars) < max(response_chars),
            corr(reward, response_chars),
            null
        ) as correlation
    from scored_responses
    group by experiment, iteration, prompt_id
),

responses as (
    select
        experiment,
        iteration,
        sum(responses)::bigint as responses,
        sum(reward) / sum(rewards) as reward,
        clustered_error(reward, rewards) as reward_se,
        sum(response_chars) / sum(responses) as response_chars,
        clustered_error(response_chars, responses) as response_chars_se,
        sum(response_tokens) / sum(responses) as response_tokens,
        clustered_error(response_tokens, responses) as response_tokens_se,
        sum(truncated) / sum(responses) as truncated_share,
        clustered_error(truncated, responses) as truncated_share_se,
        avg(correlation) as reward_length_correlation,
        clustered_error(correlation) as reward_length_correlation_se,
        nullif(count(correlation), 0) as correlated_prompts
    from response_sums
    group by experiment, iteration
),

pair_sums as (
    select
        experiment,
        iteration,
        prompt_id,
        count(*) as pairs,
        sum(margin) as margin,
        sum(chosen_chars - rejected_chars) as longer_by,
        sum(higher(chosen_chars, rejected_chars)) as longer
    from pair_lengths
    group by experiment, iteration, prompt_id
),

pairs as (
    select
        experiment,
        iteration,
        sum(pairs)::bigint as pairs,
        sum(margin) / sum(pairs) as margin,
        clustered_error(margin, pairs) as margin_se,
        sum(longer_by) / sum(pairs) as chosen_minus_rejected_chars,
        clustered_error(longer_by, pairs) as chosen_minus_rejected_chars_se,
        sum(longer) / sum(pairs) as longer_chosen_share,
        clustered_error(longer, pairs) as longer_chosen_share_se
    from pair_sums
    group by experiment, iteration
)

select *
from responses
left join pairs using (experiment, iteration)
order by experiment, iteration
