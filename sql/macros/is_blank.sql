-- True for a text without a visible character, and for null (transforms/sources/layouts/blank_text.py).
create macro is_blank(text) as not coalesce(regexp_matches(text, '[^\s\p{Z}\p{Cc}\p{Cf}\x{034F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{2800}\x{3164}\x{FE00}-\x{FE0F}\x{FFA0}\x{E0100}-\x{E01EF}]'), false)
