-- Stage 3: each call gets the task that its metadata or a rule names, and each task its figures, one row a task.
-- Lists are one text: fields are parted by tabulators, elements by line ends (figures.py reads them).
-- Athena keeps no result of a WITH: each reference plans and reads it again, and a query of more than 150 stages is
-- refused. So `every` has two references, and `logged` two in it: what is counted by something is told apart by a
-- key, and counted with everything else in one grouping.
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
), rule_line AS (
  SELECT json_extract_scalar(body, '$.principal') AS principal, json_extract_scalar(body, '$.tools') AS tools,
    json_extract_scalar(body, '$.rule') AS rule, CAST(json_extract_scalar(body, '$.order') AS bigint) AS place,
    CAST(json_extract_scalar(body, '$.part') AS bigint) AS part,
    CAST(json_extract_scalar(body, '$.feature') AS bigint) AS feature,
    CAST(json_extract_scalar(body, '$.need') AS bigint) AS need, json_extract_scalar(body, '$.names') AS names
  FROM (SELECT json_parse(line) AS body FROM <<database>>.rules WHERE generation = <<generation>>) written
), rule AS (
  SELECT principal, tools, rule, place, part, feature, need,
    max(names) OVER (PARTITION BY principal, tools, rule, place) AS names,
    max(part) OVER (PARTITION BY principal, tools, rule, place) + 1 AS parts
  FROM rule_line
), part_met AS (
  SELECT l.source, l.day, l.request_id, r.rule, r.place, r.part, max(r.names) AS names, max(r.parts) AS parts
  FROM logged l CROSS JOIN UNNEST(l.features) AS u(feature)
  JOIN rule r ON r.feature = u.feature AND r.principal = l.principal AND r.tools = l.tools_digest
  WHERE l.named_task IS NULL
  GROUP BY l.source, l.day, l.request_id, r.principal, r.tools, r.rule, r.place, r.part
  HAVING count(DISTINCT r.feature) >= max(r.need)
), rule_met AS (
  SELECT source, day, request_id, rule, place, max(names) AS names FROM part_met
  GROUP BY source, day, request_id, rule, place
  HAVING count(*) = max(parts)
), assigned AS (
  SELECT source, day, request_id, min_by(rule, place) AS rule, min_by(names, place) AS names FROM rule_met
  GROUP BY source, day, request_id
), every AS (
  SELECT l.*, coalesce(l.named_task, a.rule, 'unassigned') AS task,
    CASE WHEN l.named_task IS NOT NULL OR a.names = 'true' THEN 'metadata' WHEN a.rule IS NOT NULL THEN 'rule' ELSE 'none' END AS named_by,
    TRY(from_iso8601_timestamp(l.called_at)) AS moment, l.status IN ('answered', 'offloaded', 'unknown') AS is_call
  FROM logged l
  LEFT JOIN assigned a ON a.source = l.source AND a.day = l.day AND a.request_id = l.request_id
), timed AS (
  SELECT task, named_by, is_call, status, unread, day, model, principal, script, moment, tools_digest,
    input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, json_answer, tool_use, image, stream,
    truncated, multi_turn, prompt_characters,
    date_diff('second', lag(moment) OVER (PARTITION BY task, named_by, is_call ORDER BY moment), moment) AS gap
  FROM every
), keyed AS (
  -- A key is a letter and what is counted: call, day, model, principal, script, minute and hour; line, of no call.
  SELECT t.task, t.named_by, u.key, count(*) AS calls,
    sum(t.input_tokens) AS input, sum(t.cache_read_tokens) AS reads, sum(t.cache_write_tokens) AS writes,
    sum(t.output_tokens) AS output,
    approx_percentile(t.input_tokens + t.cache_read_tokens + t.cache_write_tokens, 0.5) FILTER (WHERE u.key = 'c')
      AS input_tokens_p50,
    approx_percentile(t.input_tokens + t.cache_read_tokens + t.cache_write_tokens, 0.95) FILTER (WHERE u.key = 'c')
      AS input_tokens_p95,
    approx_percentile(t.output_tokens, 0.5) FILTER (WHERE u.key = 'c') AS output_tokens_p50,
    approx_percentile(t.output_tokens, 0.95) FILTER (WHERE u.key = 'c') AS output_tokens_p95,
    approx_percentile(t.gap, 0.5) FILTER (WHERE u.key = 'c') AS gap_seconds_p50,
    avg(CAST(t.json_answer AS double)) AS json_share,
    avg(CASE WHEN t.prompt_characters IS NULL THEN NULL WHEN t.tools_digest = '' THEN 0e0 ELSE 1e0 END) AS tools_share,
    avg(CAST(t.tool_use AS double)) AS tool_use_share, avg(CAST(t.image AS double)) AS image_share,
    avg(CAST(t.stream AS double)) AS stream_share, avg(CAST(t.truncated AS double)) AS truncated_share,
    avg(CAST(t.multi_turn AS double)) AS multi_turn_share,
    avg(CAST(t.prompt_characters AS double)) AS prompt_characters,
    sum(CASE WHEN t.status = 'offloaded' THEN 1 ELSE 0 END) AS offloaded_calls,
    sum(CASE WHEN t.unread THEN 1 ELSE 0 END) AS unread_calls
  FROM timed t CROSS JOIN UNNEST(CASE
    WHEN t.is_call THEN ARRAY['c', concat('d', t.day), concat('m', t.model), concat('p', t.principal),
      concat('s', t.script), concat('i', CAST(date_trunc('minute', t.moment AT TIME ZONE 'UTC') AS varchar)),
      concat('h', CAST(date_trunc('hour', t.moment AT TIME ZONE 'UTC') AS varchar))]
    ELSE ARRAY[concat('l', t.status)] END) AS u(key)
  WHERE u.key IS NOT NULL
  GROUP BY t.task, t.named_by, u.key
), found AS (
  SELECT task, named_by,
    coalesce(max(calls) FILTER (WHERE key = 'lfailed'), 0) AS failed_calls,
    coalesce(max(calls) FILTER (WHERE key = 'ldamaged'), 0) AS damaged_lines,
    max(calls) FILTER (WHERE key = 'c') AS calls,
    max(input_tokens_p50) AS input_tokens_p50, max(input_tokens_p95) AS input_tokens_p95,
    max(output_tokens_p50) AS output_tokens_p50, max(output_tokens_p95) AS output_tokens_p95,
    max(json_share) FILTER (WHERE key = 'c') AS json_share, max(tools_share) FILTER (WHERE key = 'c') AS tools_share,
    max(tool_use_share) FILTER (WHERE key = 'c') AS tool_use_share,
    max(image_share) FILTER (WHERE key = 'c') AS image_share,
    max(stream_share) FILTER (WHERE key = 'c') AS stream_share,
    max(truncated_share) FILTER (WHERE key = 'c') AS truncated_share,
    max(multi_turn_share) FILTER (WHERE key = 'c') AS multi_turn_share,
    max(prompt_characters) FILTER (WHERE key = 'c') AS prompt_characters,
    max(offloaded_calls) FILTER (WHERE key = 'c') AS offloaded_calls,
    max(unread_calls) FILTER (WHERE key = 'c') AS unread_calls,
    array_join(array_agg(CAST(calls AS varchar)) FILTER (WHERE key LIKE 'd%'), chr(10)) AS calls_by_day,
    array_join(array_agg(concat(substr(key, 2), chr(9), CAST(calls AS varchar), chr(9),
      CAST(input AS varchar), chr(9), CAST(reads AS varchar), chr(9), CAST(writes AS varchar), chr(9),
      CAST(output AS varchar))) FILTER (WHERE key LIKE 'm%'), chr(10)) AS models,
    array_join(array_agg(concat(substr(key, 2), chr(9), CAST(calls AS varchar))) FILTER (WHERE key LIKE 'p%'), chr(10))
      AS principals,
    array_join(array_agg(concat(substr(key, 2), chr(9), CAST(calls AS varchar))) FILTER (WHERE key LIKE 's%'), chr(10))
      AS scripts,
    max(calls) FILTER (WHERE key LIKE 'i%') AS peak_calls_a_minute,
    sum(CASE WHEN calls >= 30 THEN calls ELSE 0 END) FILTER (WHERE key LIKE 'i%') AS batchable_calls,
    -- The calls of the busiest tenth of the hours; negative, because array_sort begins with the smallest.
    reduce(
      slice(array_sort(array_agg(-calls) FILTER (WHERE key LIKE 'h%')), 1,
        CAST(floor((count_if(key LIKE 'h%') + 9) / 10) AS bigint)),
      CAST(0 AS bigint), (total, hour) -> total - hour, total -> total) AS busiest_calls,
    max(gap_seconds_p50) AS gap_seconds_p50
  FROM keyed
  GROUP BY task, named_by
), piece AS (
  -- Place 1 has the digest of the whole request, 60 bits of it; 2 and on those of its beginnings; 0 its features.
  SELECT task, named_by, place, number, count(*) AS calls
  FROM (
    SELECT e.task, e.named_by, u.number,
      CASE WHEN u.place <= 1 + coalesce(cardinality(e.prefix_digests), 0) THEN u.place ELSE 0 END AS place
    FROM every e CROSS JOIN UNNEST(ARRAY[from_base(substr(e.request_digest, 1, 15), 16)]
      || coalesce(e.prefix_digests, CAST(ARRAY[] AS array(bigint))) || e.features) WITH ORDINALITY AS u(number, place)
    WHERE e.is_call AND e.features IS NOT NULL) p
  GROUP BY task, named_by, place, number
), alike AS (
  -- Most pieces are of one call; a row for all that have the same calls leaves few of them.
  SELECT task, named_by, place, calls, calls * count(*) AS found,
    sum(CASE WHEN place = 1 AND number IS NOT NULL THEN calls - 1 END) AS repeated,
    sum(CASE WHEN place = 0 AND bitwise_and(number, 2048) = 0 THEN bitwise_and(number, 1023) END) AS characters
  FROM piece
  GROUP BY task, named_by, place, calls
), shared AS (
  SELECT task, named_by, sum(repeated) AS repeated_calls,
    sum(CASE WHEN calls >= 0.9 * read_calls THEN characters END) AS shared_characters,
    max(CASE WHEN place > 1 AND calls >= 0.8 * read_calls THEN place - 1 END) AS prefix_place
  FROM (SELECT *, sum(CASE WHEN place = 1 THEN found END) OVER (PARTITION BY task, named_by) AS read_calls
    FROM alike) a
  GROUP BY task, named_by
)
SELECT f.task, f.named_by, <<first>> AS first_day, <<last>> AS last_day, f.failed_calls, f.damaged_lines,
  f.calls, f.input_tokens_p50, f.input_tokens_p95, f.output_tokens_p50, f.output_tokens_p95, f.json_share,
  f.tools_share, f.tool_use_share, f.image_share, f.stream_share, f.truncated_share, f.multi_turn_share,
  f.prompt_characters, f.offloaded_calls, f.unread_calls, f.calls_by_day, f.models, f.principals,
  f.scripts, s.repeated_calls, f.peak_calls_a_minute, f.batchable_calls, f.busiest_calls,
  f.gap_seconds_p50, s.shared_characters, s.prefix_place
FROM found f
LEFT JOIN shared s ON s.task = f.task AND s.named_by = f.named_by
ORDER BY f.task, f.named_by
