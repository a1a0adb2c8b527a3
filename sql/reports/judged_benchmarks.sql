-- One row per model and judged benchmark: the score with its error and interval, and how well the
-- judge agrees with itself. Win rates are per cent of wins against the benchmark's baseline,
-- `length_controlled` the same at equal length, with a `note` if it is an extrapolation: fewer than
-- 10 % of the answers are longer, or shorter, than the baseline's. MT-Bench's score is 1 to 10.
-- `judge_flips` is the share of repeated requests with another result; `judge_sd` is the standard
-- deviation between repeats (ratings, or per cent of a win); `order_flips` is the share of pairs
-- whose winner changes when the answers change places. `unusable` verdicts, per cent, are in no
-- score. Scores are comparable only with the same judge_id: the same judge with the same prompts.
-- There are rows once the judge has judged a policy's answers (recipe keys `benchmarks` and
-- `judge`).
with

benchmark_results as (
    select * from benchmark_results where subset = 'all' and judge_id is not null
),

verdicts as (select * from counted_benchmark_verdicts where repeat = 0),

judges as (select * from judges),

scores as (
    select
        experiment,
        iteration,
        model,
        benchmark,
        any_value(metric) filter (metric in ('win_rate', 'score')) as metric,
        any_value(value) filter (metric in ('win_rate', 'score')) as score,
        any_value(standard_error) filter (metric in ('win_rate', 'score')) as score_se,
        any_value(low) filter (metric in ('win_rate', 'score')) as low,
        any_value(high) filter (metric in ('win_rate', 'score')) as high,
        any_value(value) filter (metric = 'length_controlled_win_rate') as length_controlled,
        any_value(standard_error) filter (metric = 'length_controlled_win_rate')
            as length_controlled_se,
        any_value(note) filter (metric = 'length_controlled_win_rate') as note,
        any_value(items) filter (metric in ('win_rate', 'score')) as items,
        any_value(unscored_items) filter (metric in ('win_rate', 'score')) as unscored_items,
        any_value(value) filter (metric = 'judge_flips') as judge_flips,
        any_value(value) filter (metric = 'judge_sd') as judge_sd,
        any_value(value) filter (metric = 'order_flips') as order_flips,
        any_value(value) filter (metric = 'weighted_share') as weighted_share,
        any_value(value) filter (metric = 'response_chars') as response_chars,
        any_value(value) filter (metric = 'baseline_chars') as baseline_chars,
        judge_id
    from benchmark_results
    group by experiment, iteration, model, benchmark, judge_id
),

unusable as (
    select
        experiment,
        model,
        benchmark,
        judge_id,
        100 * avg((rating is null and share is null)::int) as unusable
    from verdicts
    group by experiment, model, benchmark, judge_id
)

select
    scores.* exclude (judge_id),
    unusable.unusable,
    judges.model as judge,
    scores.judge_id
from scores
left join unusable using (experiment, model, benchmark, judge_id)
left join judges using (judge_id)
order by scores.benchmark, scores.experiment, scores.iteration, scores.model
