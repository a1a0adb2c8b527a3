-- One row per experiment, policy and checkpoint: its training method, from the recorded settings.
-- `ranker` and `length_penalty` (reward units per `length_unit`, or `calibrated`; null without one)
-- belong to the policy's training pairs or responses; null for a model trained without either.
with

checkpoints as (select * from checkpoints where kind = 'causal_lm'),

materializations as (select * from materializations where asset like '%/dpo_pairs'),

scores as (select * from scores),

-- the group of settings with a learning rate is that of the training; DPO's loss is `sigmoid`
policies as (
    select
        experiment,
        iteration,
        asset,
        checkpoint_id,
        commit_version,
        settings::json as settings,
        list_filter(
            json_keys(settings::json),
            lambda name: json_exists(settings::json, '$.' || name || '.learning_rate')
        )[1] as objective
    from checkpoints
),

pair_settings as (
    select
        experiment,
        asset,
        arg_max(settings, commit_version)::json as settings
    from materializations
    group by experiment, asset
),

rankers as (
    select
        experiment,
        iteration,
        string_agg(distinct ranker, ', ' order by ranker) as ranker
    from scores
    group by experiment, iteration
),

described as (
    select
        policies.*,
        nullif(policies.settings ->> ('$.' || policies.objective || '.loss'), 'sigmoid') as loss,
        coalesce(pair_settings.settings, policies.settings) as pairs,
        rankers.ranker
    from policies
    left join pair_settings
        on pair_settings.experiment = policies.experiment
        and pair_settings.asset = replace(policies.asset, '/policy', '/dpo_pairs')
    left join rankers
        on rankers.experiment = if(policies.asset = 'one_shot/policy', 'one_shot', policies.experiment)
        and rankers.iteration = if(policies.asset = 'one_shot/policy', 1, policies.iteration)
        and policies.asset like '%/policy'
)

select
    experiment,
    iteration,
    asset,
    checkpoint_id,
    case
        when objective is null then 'initial model'
        when asset = 'sft_policy' then 'SFT'
        else
            case
                when asset = 'offline_dpo' then 'offline '
                when asset = 'one_shot/policy' then 'one-shot '
                else 'iterative '
            end || upper(objective) || coalesce(' (' || loss || ')', '')
    end as method,
    ranker,
    nullif(pairs ->> '$.pairs.length_penalty', '0.0') as length_penalty,
    if(
        nullif(pairs ->> '$.pairs.length_penalty', '0.0') is null,
        null,
        pairs ->> '$.pairs.length_unit'
    ) as length_unit,
    commit_version
from described
