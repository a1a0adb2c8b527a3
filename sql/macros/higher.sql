-- 1 where `first` is higher, 0 where `second` is, one half on a tie; null if either is null.
create macro higher(first, second) as (sign(first - second) + 1) / 2
