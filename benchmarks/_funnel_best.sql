-- The best hand-written SQL that was found for funnels of four steps with a window {W}: one query for each order.
-- Semantics: the deepest chain from any event of step 1, the whole chain within the window; ties in time count as in order.

-- name: strict_window
WITH w AS (SELECT session_id s, name n, device_time t, lead(name,1) OVER w n1, lead(device_time,1) OVER w t1, lead(name,2) OVER w n2, lead(device_time,2) OVER w t2, lead(name,3) OVER w n3, lead(device_time,3) OVER w t3
  FROM events WINDOW w AS (PARTITION BY session_id ORDER BY device_time, sequence)),
l AS (SELECT s, max(CASE WHEN n1='step_2' AND t1-t<=INTERVAL {W} THEN CASE WHEN n2='step_3' AND t2-t<=INTERVAL {W} THEN CASE WHEN n3='step_4' AND t3-t<=INTERVAL {W} THEN 4 ELSE 3 END ELSE 2 END ELSE 1 END) lv FROM w WHERE n='step_1' GROUP BY s)
SELECT count(*) FILTER (lv>=1), count(*) FILTER (lv>=2), count(*) FILTER (lv>=3), count(*) FILTER (lv>=4) FROM l;

-- name: any_hybrid
WITH e AS MATERIALIZED (SELECT session_id s, device_time t, CASE name WHEN 'step_1' THEN 1 WHEN 'step_2' THEN 2 WHEN 'step_3' THEN 4 ELSE 8 END k FROM events WHERE name IN ('step_1','step_2','step_3','step_4')),
h AS (SELECT s, bit_or(k) m, min(t) a, max(t) z FROM e GROUP BY s),
l AS (SELECT s, bit_count(m) lv FROM h WHERE z-a<=INTERVAL {W} OR bit_count(m)=1
  UNION ALL SELECT s, max(n) FROM (SELECT s, bit_count(bit_or(k) OVER (PARTITION BY s ORDER BY t RANGE BETWEEN CURRENT ROW AND INTERVAL {W} FOLLOWING)) n FROM (SELECT e.* FROM e SEMI JOIN (SELECT s FROM h WHERE z-a>INTERVAL {W} AND bit_count(m)>1) o ON e.s=o.s)) GROUP BY s)
SELECT count(*) FILTER (lv>=1), count(*) FILTER (lv>=2), count(*) FILTER (lv>=3), count(*) FILTER (lv>=4) FROM l;

-- name: ordered_lists2
WITH g AS (SELECT session_id s, list(device_time) FILTER (name='step_1') l1, list(device_time) FILTER (name='step_2') l2, list(device_time) FILTER (name='step_3') l3, list(device_time) FILTER (name='step_4') l4
  FROM events WHERE name IN ('step_1','step_2','step_3','step_4') GROUP BY 1),
a AS (SELECT s, l3, l4, l1, CASE WHEN l2 IS NOT NULL THEN list_transform(l1, lambda b: list_min(list_filter(l2, lambda x: x>=b AND x-b<=INTERVAL {W}))) END t2 FROM g WHERE l1 IS NOT NULL),
b AS (SELECT s, l4, l1, t2, CASE WHEN t2 IS NOT NULL AND l3 IS NOT NULL AND list_min(t2) IS NOT NULL THEN list_transform(t2, lambda y, i: list_min(list_filter(l3, lambda x: x>=y AND x-l1[i]<=INTERVAL {W}))) END t3 FROM a),
h AS (SELECT s, CASE WHEN list_min(t2) IS NULL THEN 1 WHEN list_min(t3) IS NULL THEN 2 WHEN l4 IS NOT NULL AND len(list_filter(t3, lambda y, i: len(list_filter(l4, lambda x: x>=y AND x-l1[i]<=INTERVAL {W}))>0))>0 THEN 4 ELSE 3 END lv FROM b)
SELECT count(*) FILTER (lv>=1), count(*) FILTER (lv>=2), count(*) FILTER (lv>=3), count(*) FILTER (lv>=4) FROM h;
