-- Passes when no prompt of a split has text of an evaluation set. One row per prompt of a split and
-- evaluation set that share 13 consecutive words or, if an item is shorter, all words of the item;
-- with the first shared words and the number of matching items. An item of fewer than 6 words or 12
-- characters, or whose short text 3 items of its set share, must be the whole prompt. Words are in
-- lower case and consist of letters, marks and digits; all other characters except white space are
-- deleted; a character of Chinese, Japanese, Thai, Lao, Khmer or Burmese is a word. 13 words is the
-- longest n-gram that a recipe can screen for, so a prompt that passed the screening always passes
-- this check.
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

separated as (
    select
        * replace (
            regexp_replace(
                text,
                '([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]'
                || '[\p{Mn}\p{Mc}]*)',
                ' \1 ', 'g'
            ) as text
        )
    from deleted
),

normalised as (
    select
        side, place, id,
        trim(regexp_replace(text, '[\p{Z}\t\n\v\f\r]+', ' ', 'g')) as text
    from separated
),

worded as (
    select
        *, string_split(text, ' ') as words, len(words) as length,
        count(*) over (partition by side, place, text) as sharers
    from normalised
    where text <> ''
),

items as (
    select
        *,
        case
            when length >= 13 then '13 words'
            when length < 6 or len(replace(text, ' ', '')) < 12 or sharers >= 3 then 'whole prompt'
            else 'whole item'
        end as search
    from worded
    where side = 'item'
),

placed as (
    select *, unnest(generate_series(1, length)) as first
    from worded
    where side = 'prompt' or length >= 13
),

grams as (
    select side, place, id, first, array_to_string(words[first:first + 12], ' ') as gram
    from placed
    where first <= length - 12
),

-- a short item is found by its first 6 words, then compared as a whole
anchors as (
    select *, array_to_string(words[first:first + 5], ' ') as anchor
    from placed
    where side = 'prompt' and first <= length - 5
),

shared as (
    select
        prompt.id as prompt_id, prompt.place as split, item.place as evaluation_set,
        item.id as item, prompt.first, gram as words
    from grams as prompt
    inner join grams as item using (gram)
    where prompt.side = 'prompt' and item.side = 'item'
    union all
    select prompt.id, prompt.place, item.place, item.id, prompt.first, item.text
    from anchors as prompt
    inner join items as item on prompt.anchor = array_to_string(item.words[1:6], ' ')
    where
        item.search = 'whole item'
        and item.words = prompt.words[prompt.first:prompt.first + item.length - 1]
    union all
    select prompt.id, prompt.place, item.place, item.id, 1, item.text
    from worded as prompt
    inner join items as item using (text)
    where prompt.side = 'prompt' and item.search = 'whole prompt'
)

select
    prompt_id, split, evaluation_set, min(item) as item, count(distinct item) as items,
    min_by(words, first) as shared_words
from shared
group by prompt_id, split, evaluation_set
order by prompt_id, split, evaluation_set
