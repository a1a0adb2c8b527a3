-- One row per source of comparisons, part (prompt, chosen, rejected) and unit (chars, tokens):
-- lengths of the kept pairs. `sd` is the sample standard deviation; p05 ... p99 are interpolated
-- quantiles. Rows for tokens, one per tokenizer, exist once preference_tokens is materialized.
-- There are rows once preference_pairs is materialized.
with

preference_lengths as (select * from preference_lengths),

preference_tokens as (select * from preference_tokens),

chars as (
    unpivot preference_lengths
    on prompt_chars as prompt, chosen_chars as chosen, rejected_chars as rejected
    into name part value length
),

tokens as (
    unpivot preference_tokens
    on prompt_tokens as prompt, chosen_tokens as chosen, rejected_tokens as rejected
    into name part value length
),

measured as (
    select source, part, 'chars' as unit, null as tokenizer_id, length from chars
    union all
    select source, part, 'tokens' as unit, tokenizer_id, length from tokens
),

summarised as (
    select
        source,
        part,
        unit,
        tokenizer_id,
        count(*) as pairs,
        avg(length) as mean,
        stddev_samp(length) as sd,
        min(length) as min,
        quantile_cont(length, [0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) as quantiles,
        max(length) as max
    from measured
    group by source, part, unit, tokenizer_id
)

select
    source,
    part,
    unit,
    pairs,
    mean,
    sd,
    min,
    quantiles[1] as p05,
    quantiles[2] as p25,
    quantiles[3] as median,
    quantiles[4] as p75,
    quantiles[5] as p95,
    quantiles[6] as p99,
    max,
    tokenizer_id
from summarised
order by source, unit, tokenizer_id, list_position(['prompt', 'chosen', 'rejected'], part)
