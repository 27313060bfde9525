"""Statements that the policy allows and that would take a machine's memory or time."""

from __future__ import annotations

FROM_THE_ATTACK = (
    "SELECT length(format('{:>400000000}','x'))",
    "SELECT length(printf('%400000000d', 1))",
    "SELECT length(repeat('x', 2000000000))",
    "SELECT length(replace(repeat('a', 40000), 'a', repeat('b', 40000)))",
    "SELECT length(repeat('x', 600000000) || repeat('y', 600000000))",
    "SELECT length(list_reduce(range(40), lambda a, b: a + a)::VARCHAR), "
    "length(list_reduce(list_transform(range(32), lambda i: 'x'), lambda a, b: a || a))",
    "SELECT count(*) FROM duckdb_columns() a, duckdb_columns() b, duckdb_columns() c, duckdb_columns() d, "
    "duckdb_columns() e",
)

STRINGS = (
    "SELECT length(lpad('x', 900000000, 'y'))",
    "SELECT length(rpad('x', 900000000, 'yz'))",
    "SELECT length(bar(1, 0, 1, 300000000))",
    "SELECT length(concat_ws(repeat('-', 300000), 'a', 'b')) FROM range(1) UNION ALL "
    "SELECT length(string_agg(repeat('x', 100000), '')) FROM range(20000)",
    "SELECT length(group_concat(repeat('x', 1000000), repeat(',', 1000000))) FROM range(2000)",
    "SELECT length(array_to_string(list_transform(range(100000), lambda i: repeat('x', 20000)), ''))",
    "SELECT length(regexp_replace(repeat('a', 100000), 'a', repeat('b', 20000), 'g'))",
    "SELECT length(upper(repeat('x', 500000000))) + length(reverse(repeat('y', 500000000)))",
    "SELECT max(length(repeat(session_id, 3))) FROM v_sessions a, generate_series(1, 100000000000) b",
    "WITH RECURSIVE t(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM t WHERE length(s) < 4000000000) "
    "SELECT max(length(s)) FROM t",
)

LISTS = (
    "SELECT length(list_reduce(list_transform(range(30), lambda i: [i]), lambda a, b: list_concat(a, a)))",
    "SELECT len(flatten(list_transform(range(100000), lambda i: range(100000))))",
    "SELECT len(list(range)) FROM range(2000000000)",
    "SELECT list_sort(range(300000000))[1]",
    "SELECT quantile_cont(range::DOUBLE, 0.5) FROM range(3000000000)",
    "SELECT len(list_distinct(list_transform(range(80000000), lambda i: i * 7)))",
    "SELECT cardinality(map_from_entries(list_transform(range(60000000), lambda i: {'k': i, 'v': i})))",
    "SELECT len(histogram(range)) FROM range(100000000)",
    "SELECT len([[x + y FOR y IN range(20000)] FOR x IN range(20000)])",
    "SELECT count(DISTINCT range) FROM range(3000000000)",
    "SELECT len(string_split(repeat('a,', 300000000), ','))",
    "SELECT len(regexp_extract_all(repeat('ab', 200000000), '.'))",
)

JSON = (
    "SELECT length(json_group_array(range)) FROM range(400000000)",
    "SELECT length(json_pretty(list_reduce(list_transform(range(32), lambda i: to_json('x')), "
    "lambda a, b: json_array(a, a))))",
    "SELECT length(json_merge_patch(json_object('a', repeat('x', 400000000)), "
    "json_object('b', repeat('y', 400000000))))",
    "SELECT json_structure(('[' || repeat('[', 400000) || repeat(']', 400000) || ']')::JSON)",
    "SELECT sum(length(key)) FROM json_each(('[' || repeat('1,', 400000000) || '1]')::JSON)",
)

TIME = (
    "SELECT sum(a.range * b.range % 7) FROM range(1000000) a, range(1000000) b",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "SELECT max(s) FROM (SELECT sum(range) OVER (ORDER BY hash(range) ROWS BETWEEN 1000000 PRECEDING AND CURRENT ROW) "
    "AS s FROM generate_series(1, 200000000) AS g(range))",
    "SELECT count(*) FROM range(100000000) t(i) WHERE regexp_matches(repeat('a', 5000) || i, '(a|aa|aaa)*b$')",
    "SELECT sum(levenshtein(repeat('ab', 20000), repeat('ba', 20000) || i)) FROM range(100000) t(i)",
    "SELECT count(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c, "
    "information_schema.columns d, information_schema.columns e",
    "SELECT mode(a.range % 1000003) FROM range(100000) a, range(1000000) b",
    "SELECT count(*) FROM v_funnel a, v_funnel b, v_funnel c, v_funnel d, v_funnel e, v_funnel f, v_funnel g, "
    "v_funnel h, v_funnel i, v_funnel j, v_funnel k, v_funnel l, v_funnel m, v_funnel n, v_funnel o, v_funnel p",
)

HOSTILE = (*FROM_THE_ATTACK, *STRINGS, *LISTS, *JSON, *TIME)
