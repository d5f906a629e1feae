-- What the log holds by day and model: sums and hours, and no text.
SELECT c.day AS day, coalesce(c.model, '') AS model,
  count(*) AS calls,
  sum(c.input_tokens) AS input_tokens,
  sum(c.cache_read_tokens) AS cache_read_tokens,
  sum(c.cache_write_tokens) AS cache_write_tokens,
  sum(c.output_tokens) AS output_tokens,
  array_join(array_agg(DISTINCT substr(c.called_at, 12, 2)), ' ') AS hours
FROM <<database>>.calls c
WHERE c.source IN (<<sources>>) AND c.day BETWEEN <<first>> AND <<last>>
GROUP BY c.day, c.model
