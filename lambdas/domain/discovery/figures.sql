-- Stage 3: each call gets the task that its metadata or a rule names, and each task its figures, one row a task.
-- Lists are one text: fields are parted by tabulators, elements by line ends (figures.py reads them).
WITH line AS (
  SELECT source, day, json_parse(line) AS body FROM <<database>>.bodies
  WHERE source IN (<<sources>>) AND day BETWEEN <<first>> AND <<last>>
), beside AS (
  SELECT source, day, json_extract_scalar(body, '$.request_id') AS request_id,
    max(json_extract_scalar(body, '$.tools_digest')) AS tools_digest,
    max(CAST(json_extract_scalar(body, '$.json_answer') AS bigint)) AS json_answer,
    max(CAST(json_extract_scalar(body, '$.tool_use') AS bigint)) AS tool_use,
    max(CAST(json_extract_scalar(body, '$.truncated') AS bigint)) AS truncated,
    max(CAST(json_extract_scalar(body, '$.image') AS bigint)) AS image,
    max(CAST(json_extract_scalar(body, '$.multi_turn') AS bigint)) AS multi_turn,
    max(json_extract_scalar(body, '$.script')) AS script,
    max(json_extract_scalar(body, '$.request_digest')) AS request_digest,
    max(CAST(json_extract_scalar(body, '$.prompt_characters') AS bigint)) AS prompt_characters,
    arbitrary(CAST(json_extract(body, '$.prefix_digests') AS array(bigint))) AS prefix_digests,
    arbitrary(CAST(json_extract(body, '$.features') AS array(bigint))) AS features
  FROM line
  GROUP BY source, day, json_extract_scalar(body, '$.request_id')
), logged AS (
  SELECT c.source, c.day, coalesce(c.request_id, '') AS request_id, c.called_at, c.status,
    c.status IN ('offloaded', 'unknown') AND b.request_id IS NULL AS unread,
    replace(replace(coalesce(c.model, ''), chr(9), ' '), chr(10), ' ') AS model,
    replace(replace(coalesce(c.principal, ''), chr(9), ' '), chr(10), ' ') AS principal,
    c.named_task, coalesce(b.tools_digest, c.tools_digest) AS tools_digest,
    c.input_tokens, c.cache_read_tokens, c.cache_write_tokens, c.output_tokens, c.stream,
    coalesce(c.json_answer, b.json_answer) AS json_answer, coalesce(c.tool_use, b.tool_use) AS tool_use,
    coalesce(c.truncated, b.truncated) AS truncated, coalesce(c.image, b.image) AS image,
    coalesce(c.multi_turn, b.multi_turn) AS multi_turn, coalesce(c.script, b.script) AS script,
    coalesce(c.request_digest, b.request_digest) AS request_digest,
    coalesce(c.prompt_characters, b.prompt_characters) AS prompt_characters,
    coalesce(c.prefix_digests, b.prefix_digests) AS prefix_digests, coalesce(c.features, b.features) AS features
  FROM <<database>>.calls c
  LEFT JOIN beside b ON b.source = c.source AND b.day = c.day AND b.request_id = c.request_id
  WHERE c.source IN (<<sources>>) AND c.day BETWEEN <<first>> AND <<last>>
), rule AS (
  SELECT json_extract_scalar(body, '$.principal') AS principal, json_extract_scalar(body, '$.tools') AS tools,
    json_extract_scalar(body, '$.rule') AS rule, CAST(json_extract_scalar(body, '$.order') AS bigint) AS place,
    CAST(json_extract_scalar(body, '$.part') AS bigint) AS part,
    CAST(json_extract_scalar(body, '$.feature') AS bigint) AS feature,
    CAST(json_extract_scalar(body, '$.need') AS bigint) AS need, json_extract_scalar(body, '$.names') AS names
  FROM (SELECT json_parse(line) AS body FROM <<database>>.rules WHERE generation = <<generation>>) written
), ruled AS (
  SELECT principal, tools, rule, place, max(names) AS names, count(DISTINCT part) AS parts
  FROM rule GROUP BY principal, tools, rule, place
), part_met AS (
  SELECT l.source, l.day, l.request_id, r.principal, r.tools, r.rule, r.place, r.part
  FROM logged l CROSS JOIN UNNEST(l.features) AS u(feature)
  JOIN rule r ON r.feature = u.feature AND r.principal = l.principal AND r.tools = l.tools_digest
  WHERE l.named_task IS NULL
  GROUP BY l.source, l.day, l.request_id, r.principal, r.tools, r.rule, r.place, r.part
  HAVING count(DISTINCT r.feature) >= max(r.need)
), rule_met AS (
  SELECT m.source, m.day, m.request_id, m.rule, m.place, max(d.names) AS names
  FROM part_met m
  JOIN ruled d ON d.principal = m.principal AND d.tools = m.tools AND d.rule = m.rule AND d.place = m.place
  GROUP BY m.source, m.day, m.request_id, m.rule, m.place
  HAVING count(*) = max(d.parts)
), assigned AS (
  SELECT source, day, request_id, min_by(rule, place) AS rule, min_by(names, place) AS names FROM rule_met GROUP BY source, day, request_id
), every AS (
  SELECT l.*, coalesce(l.named_task, a.rule, 'unassigned') AS task,
    CASE WHEN l.named_task IS NOT NULL OR a.names = 'true' THEN 'metadata' WHEN a.rule IS NOT NULL THEN 'rule' ELSE 'none' END AS named_by,
    TRY(from_iso8601_timestamp(l.called_at)) AS moment
  FROM logged l
  LEFT JOIN assigned a ON a.source = l.source AND a.day = l.day AND a.request_id = l.request_id
), call AS (
  SELECT * FROM every WHERE status IN ('answered', 'offloaded', 'unknown')
), days AS (
  SELECT task, named_by, array_join(array_agg(CAST(calls AS varchar)), chr(10)) AS calls_by_day
  FROM (SELECT task, named_by, day, count(*) AS calls FROM call GROUP BY task, named_by, day) d GROUP BY task, named_by
), models AS (
  SELECT task, named_by, array_join(array_agg(concat(model, chr(9), CAST(calls AS varchar), chr(9),
    CAST(input AS varchar), chr(9), CAST(reads AS varchar), chr(9), CAST(writes AS varchar), chr(9),
    CAST(output AS varchar))), chr(10)) AS models
  FROM (SELECT task, named_by, model, count(*) AS calls, sum(input_tokens) AS input, sum(cache_read_tokens) AS reads,
      sum(cache_write_tokens) AS writes, sum(output_tokens) AS output
    FROM call GROUP BY task, named_by, model) m
  GROUP BY task, named_by
), principals AS (
  SELECT task, named_by,
    array_join(array_agg(concat(principal, chr(9), CAST(calls AS varchar))), chr(10)) AS principals
  FROM (SELECT task, named_by, principal, count(*) AS calls FROM call GROUP BY task, named_by, principal) p
  GROUP BY task, named_by
), scripts AS (
  SELECT task, named_by, array_join(array_agg(concat(script, chr(9), CAST(calls AS varchar))), chr(10)) AS scripts
  FROM (SELECT task, named_by, script, count(*) AS calls FROM call WHERE script IS NOT NULL
    GROUP BY task, named_by, script) s
  GROUP BY task, named_by
), repeats AS (
  SELECT task, named_by, sum(calls - 1) AS repeated_calls
  FROM (SELECT task, named_by, request_digest, count(*) AS calls FROM call WHERE request_digest IS NOT NULL
    GROUP BY task, named_by, request_digest) r
  GROUP BY task, named_by
), minutes AS (
  SELECT task, named_by, max(calls) AS peak_calls_a_minute,
    sum(CASE WHEN calls >= 30 THEN calls ELSE 0 END) AS batchable_calls
  FROM (SELECT task, named_by, date_trunc('minute', moment) AS minute, count(*) AS calls FROM call
    WHERE moment IS NOT NULL GROUP BY task, named_by, date_trunc('minute', moment)) m
  GROUP BY task, named_by
), hours AS (
  SELECT task, named_by, sum(calls) AS busiest_calls
  FROM (SELECT task, named_by, calls,
      row_number() OVER (PARTITION BY task, named_by ORDER BY calls DESC, hour) AS place,
      count(*) OVER (PARTITION BY task, named_by) AS hours
    FROM (SELECT task, named_by, date_trunc('hour', moment) AS hour, count(*) AS calls FROM call
      WHERE moment IS NOT NULL GROUP BY task, named_by, date_trunc('hour', moment)) h) ranked
  WHERE place <= (hours + 9) / 10
  GROUP BY task, named_by
), gaps AS (
  SELECT task, named_by, approx_percentile(gap, 0.5) AS gap_seconds_p50
  FROM (SELECT task, named_by, date_diff('second',
      lag(moment) OVER (PARTITION BY task, named_by ORDER BY moment), moment) AS gap
    FROM call WHERE moment IS NOT NULL) g
  WHERE gap IS NOT NULL
  GROUP BY task, named_by
), sizes AS (
  SELECT task, named_by, count(*) AS read_calls FROM call WHERE features IS NOT NULL GROUP BY task, named_by
), shared AS (
  SELECT f.task, f.named_by, sum(bitwise_and(f.feature, 1023)) AS shared_characters
  FROM (SELECT c.task, c.named_by, u.feature, count(*) AS calls
    FROM call c CROSS JOIN UNNEST(c.features) AS u(feature) GROUP BY c.task, c.named_by, u.feature) f
  JOIN sizes z ON z.task = f.task AND z.named_by = f.named_by
  WHERE f.calls >= 0.9 * z.read_calls AND bitwise_and(f.feature, 2048) = 0
  GROUP BY f.task, f.named_by
), prefixes AS (
  SELECT p.task, p.named_by, max(p.place) AS prefix_place
  FROM (SELECT c.task, c.named_by, u.place, u.digest, count(*) AS calls
    FROM call c CROSS JOIN UNNEST(c.prefix_digests) WITH ORDINALITY AS u(digest, place)
    GROUP BY c.task, c.named_by, u.place, u.digest) p
  JOIN sizes z ON z.task = p.task AND z.named_by = p.named_by
  WHERE p.calls >= 0.8 * z.read_calls
  GROUP BY p.task, p.named_by
), lost AS (
  SELECT task, named_by, sum(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS failed_calls,
    sum(CASE WHEN status = 'damaged' THEN 1 ELSE 0 END) AS damaged_lines
  FROM every GROUP BY task, named_by
), totals AS (
  SELECT task, named_by, count(*) AS calls,
    approx_percentile(input_tokens + cache_read_tokens + cache_write_tokens, 0.5) AS input_tokens_p50,
    approx_percentile(input_tokens + cache_read_tokens + cache_write_tokens, 0.95) AS input_tokens_p95,
    approx_percentile(output_tokens, 0.5) AS output_tokens_p50,
    approx_percentile(output_tokens, 0.95) AS output_tokens_p95,
    avg(CAST(json_answer AS double)) AS json_share,
    avg(CASE WHEN features IS NULL THEN NULL WHEN tools_digest = '' THEN 0e0 ELSE 1e0 END) AS tools_share,
    avg(CAST(tool_use AS double)) AS tool_use_share, avg(CAST(image AS double)) AS image_share,
    avg(CAST(stream AS double)) AS stream_share, avg(CAST(truncated AS double)) AS truncated_share,
    avg(CAST(multi_turn AS double)) AS multi_turn_share, avg(CAST(prompt_characters AS double)) AS prompt_characters,
    sum(CASE WHEN status = 'offloaded' THEN 1 ELSE 0 END) AS offloaded_calls,
    sum(CASE WHEN unread THEN 1 ELSE 0 END) AS unread_calls
  FROM call GROUP BY task, named_by
)
SELECT l.task, l.named_by, <<first>> AS first_day, <<last>> AS last_day, l.failed_calls, l.damaged_lines,
  t.calls, t.input_tokens_p50, t.input_tokens_p95, t.output_tokens_p50, t.output_tokens_p95, t.json_share,
  t.tools_share, t.tool_use_share, t.image_share, t.stream_share, t.truncated_share, t.multi_turn_share,
  t.prompt_characters, t.offloaded_calls, t.unread_calls, days.calls_by_day, models.models, principals.principals,
  scripts.scripts, repeats.repeated_calls, minutes.peak_calls_a_minute, minutes.batchable_calls, hours.busiest_calls,
  gaps.gap_seconds_p50, shared.shared_characters, prefixes.prefix_place
FROM lost l
LEFT JOIN totals t ON t.task = l.task AND t.named_by = l.named_by
LEFT JOIN days ON days.task = l.task AND days.named_by = l.named_by
LEFT JOIN models ON models.task = l.task AND models.named_by = l.named_by
LEFT JOIN principals ON principals.task = l.task AND principals.named_by = l.named_by
LEFT JOIN scripts ON scripts.task = l.task AND scripts.named_by = l.named_by
LEFT JOIN repeats ON repeats.task = l.task AND repeats.named_by = l.named_by
LEFT JOIN minutes ON minutes.task = l.task AND minutes.named_by = l.named_by
LEFT JOIN hours ON hours.task = l.task AND hours.named_by = l.named_by
LEFT JOIN gaps ON gaps.task = l.task AND gaps.named_by = l.named_by
LEFT JOIN shared ON shared.task = l.task AND shared.named_by = l.named_by
LEFT JOIN prefixes ON prefixes.task = l.task AND prefixes.named_by = l.named_by
ORDER BY l.task, l.named_by
