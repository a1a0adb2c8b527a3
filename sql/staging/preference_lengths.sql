-- One row per kept comparison: the lengths in characters of its prompt and its two responses.
with

measured_preference_pairs as (select * from measured_preference_pairs),

lengths as (
    select
        pair_id,
        prompt_id,
        source,
        split,
        margin,
        prompt_chars,
        chosen_chars,
        rejected_chars
    from measured_preference_pairs
)

select * from lengths
