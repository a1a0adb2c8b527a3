-- One row per model and benchmark, as in the paper's Figure 8 (Tables 4 and 5 on one scale); the
-- paper's models follow ours. Per cent; MT-Bench's score is multiplied by five, as in the paper.
-- `standard_error` is over items; the paper gives none. A benchmark that was not measured has no row.
-- `note` marks an extrapolation (see judged_benchmarks).
-- There are rows once a policy is measured on a benchmark of Tables 4 or 5 (recipe key
-- `benchmarks`).
with

reported_scores as (
    select * from reported_scores where report in ('academic_benchmarks', 'chat_benchmarks')
),

benchmark_columns as (select * from benchmark_columns),

-- the paper's figure shows the models of its Table 5
shown as (
    select
        *,
        min(line) over (partition by origin, label) as first_line
    from reported_scores
    where
        exists (from reported_scores where origin = 'ours')
        and (
            origin = 'ours'
            or label in (
                select label
                from reported_scores
                where origin = 'paper' and report = 'academic_benchmarks'
            )
        )
)

select
    shown.origin,
    shown.label,
    shown.experiment,
    benchmark_columns.bar as benchmark,
    benchmark_columns.scale * shown.value as value,
    benchmark_columns.scale * shown.standard_error as standard_error,
    shown.note
from shown
inner join benchmark_columns using (report, name)
-- in the figure Table 5 comes before Table 4
order by shown.origin, shown.first_line, shown.report, benchmark_columns.place
