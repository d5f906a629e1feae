-- A random sample of the calls whose prompt was read, in an order that only the salt and the generation decide.
WITH key AS (
  SELECT max(salt) AS salt FROM <<database>>.salt
)
SELECT c.called_at, c.principal, c.named_task, c.tools_digest, c.prompt_characters,
  c.model, c.operation, c.json_answer, c.output_tokens,
  array_join(transform(c.features, f -> CAST(f AS varchar)), ' ') AS features
FROM <<database>>.calls c CROSS JOIN key
WHERE c.source IN (<<sources>>) AND c.day BETWEEN <<first>> AND <<last>> AND c.features IS NOT NULL
ORDER BY sha256(to_utf8(concat(key.salt, <<generation>>, coalesce(c.request_id, '')))), c.request_id, c.called_at
LIMIT <<calls>>
