-- One row per source of comparisons: rows read, held out, dropped and kept, their mean lengths in
-- characters, and the share in which the longer response is chosen (equal lengths one half).
with

preference_lengths as (select * from preference_lengths),

dropped_rows as (select * from dropped_rows where "table" = 'preference_pairs'),

kept as (
    select
        source,
        count(*) as kept_pairs,
        count(*) filter (split = 'train') as train_pairs,
        count(*) filter (split = 'reward_validation') as reward_validation_pairs,
        avg(prompt_chars) as prompt_chars,
        avg(chosen_chars) as chosen_chars,
        avg(rejected_chars) as rejected_chars,
        avg(margin) as margin,
        avg((sign(chosen_chars - rejected_chars) + 1) / 2) as longer_chosen_share
    from preference_lengths
    group by source
),

dropped as (
    select
        source,
        count(*) filter (reason = 'held_out_prompt') as held_out_pairs,
        count(*) filter (reason <> 'held_out_prompt') as dropped_pairs
    from dropped_rows
    group by source
),

joined as (
    select
        source,
        coalesce(kept_pairs, 0) as kept_pairs,
        coalesce(held_out_pairs, 0) as held_out_pairs,
        coalesce(dropped_pairs, 0) as dropped_pairs,
        coalesce(train_pairs, 0) as train_pairs,
        coalesce(reward_validation_pairs, 0) as reward_validation_pairs,
        prompt_chars,
        chosen_chars,
        rejected_chars,
        margin,
        longer_chosen_share
    from kept
    full outer join dropped using (source)
)

select
    source,
    kept_pairs + held_out_pairs + dropped_pairs as raw_rows,
    * exclude (source)
from joined
order by source
