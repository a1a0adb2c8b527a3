-- One row per response and ranker: columns of the response, with the reward.
-- Units: response_tokens, response_chars; reward is a reward model's scalar, or a share of wins.
with

generations as (select * from generations),

scores as (select * from scores),

joined as (
    select
        generations.experiment,
        generations.iteration,
        generations.prompt_id,
        generations.response_index,
        generations.response_tokens,
        generations.response_chars,
        generations.finish_reason,
        generations.policy_id,
        generations.sampler,
        generations.sampler_policy,
        generations.temperature,
        generations.top_p,
        scores.ranker,
        scores.ranker_id,
        scores.reward
    from generations
    inner join scores using (experiment, iteration, prompt_id, response_index)
)

select * from joined
