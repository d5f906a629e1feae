-- Which calls of a day have their request beside the log: where they were logged, and no text.
WITH key AS (
  SELECT max(salt) AS salt FROM <<database>>.salt
)
SELECT c.object, c.request_id
FROM <<database>>.calls c CROSS JOIN key
WHERE c.source = <<source>> AND c.day = <<day>> AND c.status = 'offloaded'
  AND c.object IS NOT NULL AND c.request_id IS NOT NULL
ORDER BY sha256(to_utf8(concat(key.salt, c.request_id))), c.object
LIMIT <<limit>>
