-- One row per source and table whose incoming rows are not equal in number to the rows in the table
-- plus the rows in the ledger: rows were lost or counted twice.
with

source_rows as (select * from source_rows),

dropped_rows as (select * from dropped_rows),

held as (
    select 'preference_pairs' as "table", source, count(*) as rows_held
    from preference_pairs
    group by source
    union all
    select 'demonstrations' as "table", source, count(*) as rows_held
    from demonstrations
    group by source
    union all
    select 'prompts' as "table", source, count(*) as rows_held
    from prompts
    group by source
    union all
    select concat('raw_', source) as "table", source, count(*) as rows_held
    from raw_row_keys
    group by source
),

dropped as (
    select "table", source, count(*) as rows_dropped
    from dropped_rows
    group by "table", source
),

counted as (
    select
        source_rows."table",
        source_rows.source,
        source_rows.rows_in,
        coalesce(held.rows_held, 0) as rows_kept,
        coalesce(dropped.rows_dropped, 0) as rows_dropped
    from source_rows
    left join held on source_rows."table" = held."table" and source_rows.source = held.source
    left join dropped
        on source_rows."table" = dropped."table" and source_rows.source = dropped.source
)

select *
from counted
where rows_in <> rows_kept + rows_dropped
order by "table", source
