-- A random sample of the calls whose prompt was read, in an order that only the salt and the generation decide. A call
-- comes the earlier the fewer its caller made, down to a number of calls that each caller should have in the sample: one
-- application that makes a call of a thousand has tasks too.
WITH key AS (
  SELECT max(salt) AS salt FROM <<database>>.salt
),
callers AS (
  SELECT coalesce(principal, '') AS principal, coalesce(tools_digest, '') AS tools_digest,
    CAST(count(*) AS double) AS calls, CAST(sum(count(*)) OVER () AS double) AS all_calls
  FROM <<database>>.calls
  WHERE source IN (<<sources>>) AND day BETWEEN <<first>> AND <<last>>
  GROUP BY 1, 2
)
SELECT c.called_at, c.principal, c.named_task, c.tools_digest, c.prompt_characters,
  c.model, c.operation, c.json_answer, c.output_tokens,
  array_join(transform(c.features, f -> CAST(f AS varchar)), ' ') AS features
FROM <<database>>.calls c CROSS JOIN key
JOIN callers r ON r.principal = coalesce(c.principal, '') AND r.tools_digest = coalesce(c.tools_digest, '')
WHERE c.source IN (<<sources>>) AND c.day BETWEEN <<first>> AND <<last>> AND c.features IS NOT NULL
ORDER BY
  from_base(substr(to_hex(sha256(to_utf8(concat(key.salt, <<generation>>, coalesce(c.request_id, ''))))), 1, 12), 16)
    * least(r.all_calls / <<calls>>, r.calls / <<least>>),
  c.request_id, c.called_at
LIMIT <<calls>>
