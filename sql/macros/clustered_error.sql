-- The standard error, clustered by prompt, of sum(above) / sum(below), one row per prompt; without
-- `below`, of the mean of `above`. Null with one prompt. The formula is that of
-- transforms/measures/clustered.py.
create macro clustered_error(above, below := 1) as
    sqrt(
        list_sum(list_transform(
            list([above::double, below::double]) filter (above is not null and below is not null),
            lambda prompt: (
                prompt[1]
                - prompt[2]
                * sum(above::double) filter (below is not null)
                / sum(below::double) filter (above is not null)
            ) ** 2
        ))
        * count(*) filter (above is not null and below is not null)
        / nullif(count(*) filter (above is not null and below is not null) - 1, 0)
    )
    / sum(below::double) filter (above is not null)
