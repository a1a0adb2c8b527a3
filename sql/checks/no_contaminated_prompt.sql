-- One row per prompt of a split and evaluation set that share 13 consecutive words or, if one of
-- the texts is shorter, the whole text; with the first shared words and the number of matching
-- items. Words are in lower case and consist of letters, marks and digits; all other characters
-- except white space are deleted. 13 words is the longest n-gram that a recipe can screen for, so a
-- prompt that passed the screening always passes this check.
with

prompts as (select * from prompts),

prompt_splits as (select * from prompt_splits),

evaluation_texts as (select * from evaluation_texts),

texts as (
    select
        'prompt' as side, prompt_splits.split as place, prompts.prompt_id as id,
        array_to_string([turn.content for turn in prompts.prompt], chr(10)) as text
    from prompts
    inner join prompt_splits using (prompt_id)
    union all
    select 'item' as side, evaluation_set as place, item as id, text
    from evaluation_texts
),

-- punctuation is deleted first: a mark between two blanks must not leave two blanks
deleted as (
    select
        * replace (
            regexp_replace(lower(text), '[^\p{L}\p{M}\p{N}\p{Z}\t\n\v\f\r]+', '', 'g') as text
        )
    from texts
),

worded as (
    select
        side, place, id,
        string_split(trim(regexp_replace(text, '[\p{Z}\t\n\v\f\r]+', ' ', 'g')), ' ') as words
    from deleted
),

placed as (
    select *, unnest(generate_series(1, greatest(len(words) - 12, 1))) as first
    from worded
),

grams as (
    select side, place, id, first, array_to_string(words[first:first + 12], ' ') as gram
    from placed
),

shared as (
    select
        prompt.id as prompt_id, prompt.place as split, item.place as evaluation_set, item.id as item,
        prompt.first, gram
    from grams as prompt
    inner join grams as item using (gram)
    where prompt.side = 'prompt' and item.side = 'item' and gram <> ''
)

select
    prompt_id, split, evaluation_set, min(item) as item, count(distinct item) as items,
    min_by(gram, first) as shared_words
from shared
group by prompt_id, split, evaluation_set
order by prompt_id, split, evaluation_set
