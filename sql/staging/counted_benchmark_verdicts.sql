-- One row per request to a benchmark's judge behind the rows of benchmark_results: the answer that
-- counts. A request that failed is sent again, and two runs may send the same one: the first answer
-- counts; if there is none, the last error.
with

benchmark_verdicts as (select * from benchmark_verdicts),

benchmark_results as (select * from benchmark_results)

select benchmark_verdicts.*
from benchmark_verdicts
semi join benchmark_results using (experiment, model, benchmark, policy_id, benchmark_id)
qualify
    row_number() over (
        partition by
            experiment,
            model,
            benchmark,
            policy_id,
            benchmark_id,
            subset,
            item,
            turn,
            shown_first,
            repeat,
            request_id
        order by
            error is not null,
            if(error is null, commit_version, -commit_version)
    ) = 1
