-- One row per model: how far it is from π₀, and what its sampled responses to the evaluation
-- prompts are worth. kl_to_initial is the KL to π₀ in nats, sqrt_kl its square root, in which the
-- reward is about linear at first (Bai et al. 2022, arXiv 2204.05862); gold_reward falls where the
-- reward is over-optimised (Gao et al. 2023, arXiv 2210.10760). Models that all experiments share
-- have experiment `shared`. `_se` is the standard error clustered by prompt, of sqrt_kl by the delta
-- method.
-- There are rows once policies are evaluated: the assets baseline_evaluation and evaluation.
with

evaluation_results as (
    select * from evaluation_results
    where split = 'evaluation' and decoding = 'sampled' and versus is null
),

pivoted as (
    select
        experiment,
        iteration,
        model,
        any_value(value) filter (metric = 'kl_to_initial') as kl_to_initial,
        any_value(standard_error) filter (metric = 'kl_to_initial') as kl_to_initial_se,
        any_value(value) filter (metric = 'reward') as reward,
        any_value(standard_error) filter (metric = 'reward') as reward_se,
        any_value(value) filter (metric = 'gold_reward') as gold_reward,
        any_value(standard_error) filter (metric = 'gold_reward') as gold_reward_se
    from evaluation_results
    group by experiment, iteration, model
)

select
    experiment,
    iteration,
    replace(model, '/policy', '') as model,
    kl_to_initial,
    kl_to_initial_se,
    sqrt(kl_to_initial) as sqrt_kl,
    case when kl_to_initial > 0 then kl_to_initial_se / (2 * sqrt(kl_to_initial)) end as sqrt_kl_se,
    reward,
    reward_se,
    gold_reward,
    gold_reward_se
from pivoted
where kl_to_initial is not null
order by experiment, iteration, baseline_position(model) nulls last
