-- One row per policy, report and column: `policy_scores` and, with origin `paper`, the figures that
-- the paper prints in its Tables 4, 5 and 6. `source` is the paper's table and page.
with

policy_scores as (select * from policy_scores),

published_chat_benchmarks as (
    select *
    from (
        unpivot (from published_chat_benchmarks)
        on columns(* exclude (line, model, size, method, source))::double
        into name name value value
    )
),

published_academic_benchmarks as (
    select *
    from (
        unpivot (from published_academic_benchmarks)
        on columns(* exclude (line, model, size, method, source))::double
        into name name value value
    )
),

published_ablations as (
    select * replace (length_penalty::varchar as length_penalty)
    from (
        unpivot (from published_ablations)
        on columns(* exclude (line, model, ranker, length_penalty, source))::double
        into name name value value
    )
)

select 'ours' as origin, *, null as size, null as source from policy_scores
union all by name
select 'paper' as origin, 'chat_benchmarks' as report, *, model as label
from published_chat_benchmarks
union all by name
select 'paper' as origin, 'academic_benchmarks' as report, *, model as label
from published_academic_benchmarks
union all by name
select 'paper' as origin, 'ablations' as report, *, model as label
from published_ablations
