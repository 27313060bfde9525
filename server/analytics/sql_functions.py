"""The functions that analysts may use. They compute on their arguments only.

None reads a file, a setting, a variable, a secret or other SQL, and none waits.
"""

from __future__ import annotations

_ALLOWED = r"""
    + - * / // % ** ^ & | ~ << >> || ! ^@ @> <@ && ~~ !~~ ~~* !~~* ~~~ ->> -> __postfix abs ceil ceiling floor
    round round_even trunc sign sqrt cbrt exp ln log log2 log10 pow power mod fmod fdiv even greatest least
    factorial gamma lgamma pi degrees radians sin cos tan asin acos atan atan2 isnan isinf isfinite add subtract
    multiply divide nullif ifnull coalesce bit_count xor gcd lcm count count_star count_if countif sum avg mean
    min max min_by max_by arg_min arg_max argmin argmax median mode mad quantile quantile_cont quantile_disc
    approx_quantile approx_count_distinct stddev stddev_pop stddev_samp variance var_pop var_samp sem skewness
    kurtosis entropy corr covar_pop covar_samp regr_slope regr_intercept regr_r2 regr_count histogram bool_and
    bool_or bit_and bit_or bit_xor first last any_value arbitrary list array_agg string_agg group_concat listagg
    product fsum favg geomean geometric_mean wavg weighted_avg row_number rank dense_rank rank_dense
    percent_rank cume_dist ntile lag lead first_value last_value nth_value fill date_trunc datetrunc date_part
    datepart date_diff datediff date_sub datesub date_add time_bucket age ago epoch epoch_ms epoch_us epoch_ns
    year month day hour minute second millisecond microsecond quarter week weekday weekofyear isoyear isodow
    yearweek dayofweek dayofmonth dayofyear dayname monthname last_day days_in_month era decade century julian
    now today current_date get_current_timestamp get_current_time current_localtimestamp current_localtime
    to_timestamp make_date make_time make_timestamp strftime strptime try_strptime timezone to_years to_months
    to_weeks to_days to_hours to_minutes to_seconds to_milliseconds to_microseconds normalized_interval lower
    upper lcase ucase length len char_length character_length strlen substr substring left right trim ltrim
    rtrim lpad rpad repeat replace reverse split split_part string_split str_split string_to_array concat
    concat_ws contains starts_with ends_with prefix suffix instr strpos position ascii chr format printf
    regexp_matches regexp_full_match regexp_replace regexp_extract regexp_extract_all regexp_split_to_array
    like_escape ilike_escape not_like_escape not_ilike_escape levenshtein damerau_levenshtein jaccard
    jaro_similarity jaro_winkler_similarity hamming strip_accents md5 sha256 hash typeof pg_typeof bar
    format_bytes list_value list_pack array_value list_extract list_element array_extract element_at list_slice
    array_slice list_contains list_has list_has_all list_has_any array_contains list_position list_indexof
    list_sort list_reverse_sort list_reverse list_distinct list_unique list_concat list_cat list_append
    list_prepend list_filter list_transform list_apply list_reduce list_zip list_aggregate list_sum list_avg
    list_min list_max list_median list_count list_any_value array_length array_to_string flatten unnest range
    generate_series list_intersect filter apply reduce struct_pack struct_extract struct_extract_at
    struct_insert struct_keys struct_values row map map_keys map_values map_entries map_extract
    map_extract_value map_contains map_from_entries cardinality json json_extract json_extract_string
    json_extract_path json_extract_path_text json_value json_exists json_keys json_array_length json_type
    json_valid json_contains json_structure json_transform from_json to_json json_object json_array
    json_group_array json_group_object json_pretty json_quote row_to_json array_to_json json_merge_patch
    grouping grouping_id generate_subscripts
"""

ALLOWED = frozenset(_ALLOWED.split())
