-- One row per source of comparisons (and tokenizer, if several were used): the figures of Table 1 of
-- the paper for our pairs and, in the columns paper_*, the published figures of the same dataset.
-- candidates = kept + held out + dropped; `kept_fraction` is kept / candidates. The paper holds out
-- no prompts, so its pairs correspond to our kept and held-out pairs together. Lengths are means per
-- pair: chars of the messages, and tokens of the tokenizer `tokenizer_id` with its chat template
-- (the paper uses Llama-3's tokenizer; it does not mention a template). The longer response is
-- chosen in `longer_chosen_share` of the pairs; equal lengths count one half.
-- There are rows once preference_pairs is materialized.
with

preference_lengths as (select * from preference_lengths),

preference_tokens as (select * from preference_tokens),

source_rows as (select * from source_rows),

dropped_rows as (select * from dropped_rows where "table" = 'preference_pairs'),

published_statistics as (select * from published_statistics),

incoming as (
    select
        source,
        any_value(entry) filter ("table" = 'preference_pairs') as entry,
        any_value(rows_in) filter ("table" = 'raw_' || source) as raw_rows,
        any_value(rows_in) filter ("table" = 'preference_pairs') as candidates
    from source_rows
    group by source
    having count(*) filter ("table" = 'preference_pairs') > 0
),

kept as (
    select
        source,
        count(*) as kept_pairs,
        count(*) filter (split = 'train') as train_pairs,
        count(*) filter (split = 'reward_validation') as reward_validation_pairs,
        count(distinct prompt_id) as prompts,
        avg(prompt_chars) as prompt_chars,
        avg(chosen_chars) as chosen_chars,
        avg(rejected_chars) as rejected_chars,
        avg(margin) as margin,
        avg(higher(chosen_chars, rejected_chars)) as longer_chosen_share
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

counted as (
    select
        source,
        tokenizer_id,
        avg(prompt_tokens) as prompt_tokens,
        avg(chosen_tokens) as chosen_tokens,
        avg(rejected_tokens) as rejected_tokens
    from preference_tokens
    group by source, tokenizer_id
),

-- a source may have no kept pairs, or no dropped ones
joined as (
    select *
    from incoming
    full outer join kept using (source)
    full outer join dropped using (source)
    left join counted using (source)
)

select
    joined.source,
    joined.entry,
    joined.raw_rows,
    joined.candidates,
    coalesce(joined.kept_pairs, 0) as kept_pairs,
    published_statistics.pairs as paper_pairs,
    coalesce(joined.kept_pairs, 0) / nullif(joined.candidates, 0) as kept_fraction,
    coalesce(joined.dropped_pairs, 0) as dropped_pairs,
    coalesce(joined.held_out_pairs, 0) as held_out_pairs,
    coalesce(joined.train_pairs, 0) as train_pairs,
    coalesce(joined.reward_validation_pairs, 0) as reward_validation_pairs,
    coalesce(joined.prompts, 0) as prompts,
    published_statistics.prompts as paper_prompts,
    joined.prompt_tokens,
    published_statistics.prompt_tokens as paper_prompt_tokens,
    joined.chosen_tokens,
    published_statistics.chosen_tokens as paper_chosen_tokens,
    joined.rejected_tokens,
    published_statistics.rejected_tokens as paper_rejected_tokens,
    joined.tokenizer_id,
    joined.prompt_chars,
    joined.chosen_chars,
    joined.rejected_chars,
    joined.margin,
    joined.longer_chosen_share
from joined
left join published_statistics on published_statistics.entry = joined.entry
order by joined.source, joined.tokenizer_id
