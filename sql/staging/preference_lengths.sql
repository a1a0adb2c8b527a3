-- One row per kept comparison: the lengths in characters of its prompt and its two responses.
with

preference_pairs as (select * from preference_pairs),

measured as (
    select
        pair_id,
        prompt_id,
        source,
        split,
        margin,
        list_sum([length(turn.content) for turn in prompt])::bigint as prompt_chars,
        length(chosen[1].content) as chosen_chars,
        length(rejected[1].content) as rejected_chars
    from preference_pairs
)

select * from measured
