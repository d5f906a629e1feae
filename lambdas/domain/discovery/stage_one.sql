-- Stage 1: one row a line of the log, without any text of it. The twin in Python is calls.py with masking.py.
-- json_parse fails on a damaged line and TRY gives NULL for it; every cast of JSON is TRY_CAST for the same reason.
UNLOAD (
WITH key AS (
  SELECT max(salt) AS salt FROM <<database>>.salt
), raw AS (
  SELECT "$path" AS object, TRY(json_parse(line)) AS entry
  FROM <<database>>.<<lines>>
  WHERE region = <<region>> AND hour BETWEEN <<first_hour>> AND <<last_hour>>
    AND NOT regexp_like("$path", '/[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9]{2}/data/')
    AND (line IS NULL OR trim(line) <> '')
), opened AS (
  -- A map of a document reads it once; each json_extract of it would read it again.
  SELECT object, TRY_CAST(entry AS map(varchar, json)) AS entry FROM raw
), sides AS (
  SELECT object, entry,
    TRY_CAST(element_at(entry, 'input') AS map(varchar, json)) AS request,
    TRY_CAST(element_at(entry, 'output') AS map(varchar, json)) AS response
  FROM opened
), fields AS (
  SELECT object,
    coalesce(json_extract_scalar(element_at(entry, 'schemaType'), '$'), '') = 'ModelInvocationLog' AS is_entry,
    coalesce(json_extract_scalar(element_at(entry, 'errorCode'), '$'), '') AS error_code,
    json_extract_scalar(element_at(entry, 'requestId'), '$') AS request_id,
    json_extract_scalar(element_at(entry, 'timestamp'), '$') AS called_at,
    json_extract_scalar(element_at(entry, 'operation'), '$') AS operation,
    json_extract_scalar(element_at(entry, 'modelId'), '$') AS model,
    element_at(split(json_extract_scalar(element_at(entry, 'identity'), '$.arn'), ':'), 6) AS identity,
    <<named_task>> AS named_task,
    json_extract_scalar(element_at(request, 'inputBodyS3Path'), '$') AS input_path,
    json_extract_scalar(element_at(request, 'inputTokenCount'), '$') AS input_count,
    json_extract_scalar(element_at(request, 'cacheReadInputTokenCount'), '$') AS read_count,
    json_extract_scalar(element_at(request, 'cacheWriteInputTokenCount'), '$') AS write_count,
    json_extract_scalar(element_at(response, 'outputTokenCount'), '$') AS output_count,
    TRY_CAST(element_at(request, 'inputBodyJson') AS map(varchar, json)) AS body,
    element_at(response, 'outputBodyJson') AS answer
  FROM sides
), parts AS (
  SELECT *,
    TRY_CAST(element_at(body, 'messages') AS array(json)) AS messages,
    coalesce(
      json_extract_scalar(element_at(body, 'system'), '$'),
      array_join(transform(TRY_CAST(element_at(body, 'system') AS array(json)),
        b -> json_extract_scalar(b, '$.text')), chr(10)),
      '') AS system_text,
    coalesce(array_join(array_sort(array_distinct(transform(
      coalesce(
        TRY_CAST(json_extract(element_at(body, 'toolConfig'), '$.tools') AS array(json)),
        TRY_CAST(element_at(body, 'tools') AS array(json))),
      t -> coalesce(json_extract_scalar(t, '$.toolSpec.name'), json_extract_scalar(t, '$.name'), '?')))), ','), '')
      AS tools,
    TRY_CAST(answer AS array(json)) AS chunks
  FROM fields
), turns AS (
  SELECT *,
    transform(messages, m -> concat(
      coalesce(json_extract_scalar(m, '$.role'), ''), ':',
      coalesce(
        json_extract_scalar(m, '$.content'),
        array_join(transform(TRY_CAST(json_extract(m, '$.content') AS array(json)),
          b -> json_extract_scalar(b, '$.text')), chr(10)),
        ''))) AS said,
    flatten(transform(messages, m -> coalesce(
      TRY_CAST(json_extract(m, '$.content') AS array(json)), CAST(ARRAY[] AS array(json))))) AS blocks,
    coalesce(
      array_join(transform(TRY_CAST(json_extract(answer, '$.output.message.content') AS array(json)),
        b -> json_extract_scalar(b, '$.text')), chr(10)),
      array_join(transform(TRY_CAST(json_extract(answer, '$.content') AS array(json)),
        b -> json_extract_scalar(b, '$.text')), chr(10)),
      array_join(transform(chunks, c -> coalesce(
        json_extract_scalar(c, '$.delta.text'), json_extract_scalar(c, '$.contentBlockDelta.delta.text'))), '')
    ) AS answer_text,
    coalesce(
      json_extract_scalar(answer, '$.stopReason'),
      json_extract_scalar(answer, '$.stop_reason'),
      element_at(filter(transform(chunks, c -> coalesce(
        json_extract_scalar(c, '$.delta.stop_reason'), json_extract_scalar(c, '$.messageStop.stopReason'))),
        s -> s IS NOT NULL), 1)
    ) AS stop_reason
  FROM parts
), texts AS (
  SELECT *, coalesce(substr(element_at(said, 1), strpos(element_at(said, 1), ':') + 1), '') AS user_text
  FROM turns
), cut AS (
  SELECT *,
    concat(tools, chr(10), system_text, chr(10), user_text) AS beginning,
    CASE WHEN length(system_text) <= 8000 THEN system_text
      ELSE concat(substr(system_text, 1, 5000), chr(10), substr(system_text, length(system_text) - 2999)) END AS s,
    CASE WHEN length(user_text) <= 4000 THEN user_text
      ELSE concat(substr(user_text, 1, 2500), chr(10), substr(user_text, length(user_text) - 1499)) END AS u,
    regexp_extract(user_text, '[A-Za-zÀ-ɏЀ-ӿ؀-ۿ぀-ヿ一-鿿가-힯]') AS letter
  FROM texts
), masked AS (
  SELECT *,
    regexp_replace(regexp_replace(regexp_replace(s,
      'https?://[^ \n]+|[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]+', '@'),
      '[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}', '#'),
      '[0-9]+', '#') AS sm,
    regexp_replace(regexp_replace(regexp_replace(u,
      'https?://[^ \n]+|[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]+', '@'),
      '[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}', '#'),
      '[0-9]+', '#') AS um
  FROM cut
), lined AS (
  SELECT *,
    filter(split(regexp_replace(concat(sm, chr(10)),
      '[.!?;:]{1,3} +|[-*] +|[.!?;: ]{0,8}[\n\t\r"<>{}\[\]|`。！？；：「」『』]+ {0,8}', chr(10)), chr(10)),
      x -> length(to_utf8(x)) >= 12) AS sl,
    filter(split(regexp_replace(concat(um, chr(10)),
      '[.!?;:]{1,3} +|[-*] +|[.!?;: ]{0,8}[\n\t\r"<>{}\[\]|`。！？；：「」『』]+ {0,8}', chr(10)), chr(10)),
      x -> length(to_utf8(x)) >= 12) AS ul
  FROM masked
), named AS (
  SELECT *,
    concat(
      transform(sl, x -> concat('s|', x)),
      transform(filter(sl, x -> length(x) >= 40), x -> concat('t|h', substr(x, 1, 20))),
      transform(filter(sl, x -> length(x) >= 40), x -> concat('t|e', substr(x, length(x) - 19))),
      transform(ul, x -> concat('u|', x)),
      transform(filter(ul, x -> length(x) >= 40), x -> concat('v|h', substr(x, 1, 20))),
      transform(filter(ul, x -> length(x) >= 40), x -> concat('v|e', substr(x, length(x) - 19))),
      CASE WHEN sm = '' THEN CAST(ARRAY[] AS array(varchar))
        ELSE ARRAY[concat('t|b', array_join(slice(split(sm, ' '), 1, 4), ' '))] END,
      CASE WHEN um = '' THEN CAST(ARRAY[] AS array(varchar))
        ELSE ARRAY[
          concat('v|b', array_join(slice(split(um, ' '), 1, 4), ' ')),
          concat('v|c', array_join(slice(split(um, ' '), 1, 8), ' '))] END,
      CASE WHEN system_text = '' AND length(user_text) <= 600
        THEN transform(filter(slice(split(um, ' '), 1, 40), x -> length(x) >= 3), x -> concat('v|w', x))
        ELSE CAST(ARRAY[] AS array(varchar)) END) AS names
  FROM lined
)
SELECT object, request_id, called_at,
  CASE WHEN NOT is_entry THEN 'damaged'
    WHEN error_code <> '' THEN 'failed'
    WHEN operation IS NULL OR operation NOT IN
      ('Converse', 'ConverseStream', 'InvokeModel', 'InvokeModelWithResponseStream') THEN 'unknown'
    WHEN messages IS NOT NULL THEN 'answered'
    WHEN input_path IS NOT NULL THEN 'offloaded'
    ELSE 'unknown' END AS status,
  operation, model,
  CASE WHEN starts_with(identity, 'assumed-role/') THEN split_part(identity, '/', 2)
    ELSE element_at(split(identity, '/'), -1) END AS principal,
  named_task,
  CASE WHEN tools = '' THEN ''
    ELSE lower(substr(to_hex(sha256(to_utf8(concat(salt, tools)))), 1, 12)) END AS tools_digest,
  coalesce(
    CASE WHEN regexp_like(input_count, '\A[0-9]{1,15}\z') THEN TRY_CAST(input_count AS bigint) END, 0) AS input_tokens,
  coalesce(
    CASE WHEN regexp_like(read_count, '\A[0-9]{1,15}\z') THEN TRY_CAST(read_count AS bigint) END, 0)
    AS cache_read_tokens,
  coalesce(
    CASE WHEN regexp_like(write_count, '\A[0-9]{1,15}\z') THEN TRY_CAST(write_count AS bigint) END, 0)
    AS cache_write_tokens,
  coalesce(
    CASE WHEN regexp_like(output_count, '\A[0-9]{1,15}\z') THEN TRY_CAST(output_count AS bigint) END, 0)
    AS output_tokens,
  CAST(CASE WHEN answer_text IS NULL THEN NULL
    WHEN regexp_like(answer_text, '\A[ \t\r\n]*(```(json)?[ \t\r\n]*)?[\[{]') THEN 1 ELSE 0 END AS bigint) AS json_answer,
  CAST(CASE WHEN stop_reason IS NULL THEN NULL WHEN stop_reason = 'tool_use' THEN 1 ELSE 0 END AS bigint) AS tool_use,
  CAST(CASE WHEN stop_reason IS NULL THEN NULL
    WHEN stop_reason IN ('max_tokens', 'model_context_window_exceeded') THEN 1 ELSE 0 END AS bigint) AS truncated,
  CAST(CASE WHEN operation IN ('ConverseStream', 'InvokeModelWithResponseStream') THEN 1 ELSE 0 END AS bigint) AS stream,
  CAST(CASE WHEN messages IS NULL THEN NULL
    WHEN cardinality(filter(blocks, b -> json_extract(b, '$.image') IS NOT NULL
      OR json_extract(b, '$.document') IS NOT NULL OR json_extract(b, '$.video') IS NOT NULL
      OR coalesce(json_extract_scalar(b, '$.type'), '') IN ('image', 'document'))) > 0 THEN 1 ELSE 0 END AS bigint) AS image,
  CAST(CASE WHEN messages IS NULL THEN NULL
    WHEN cardinality(filter(said, x -> starts_with(x, 'user:') AND length(x) > 5)) > 1 THEN 1 ELSE 0 END AS bigint) AS multi_turn,
  CASE WHEN messages IS NULL THEN NULL
    WHEN coalesce(letter, '') = '' THEN 'other'
    WHEN letter <= 'ɏ' THEN 'latin' WHEN letter <= 'ӿ' THEN 'cyrillic' WHEN letter <= 'ۿ' THEN 'arabic'
    ELSE 'cjk' END AS script,
  CASE WHEN messages IS NULL OR cardinality(filter(blocks, b -> json_extract_scalar(b, '$.text') IS NULL
      AND json_extract(b, '$.cachePoint') IS NULL)) > 0 THEN NULL
    ELSE lower(substr(to_hex(sha256(to_utf8(concat(
      salt, tools, chr(30), system_text, chr(30), array_join(said, chr(30)))))), 1, 16)) END AS request_digest,
  CASE WHEN messages IS NULL THEN NULL ELSE length(system_text) + length(user_text) END AS prompt_characters,
  CASE WHEN messages IS NULL THEN NULL ELSE transform(
    filter(ARRAY[256, 512, 1024, 2048, 3072, 4096, 6144, 8192, 12288, 16384], n -> n <= length(beginning)),
    n -> from_base(substr(to_hex(sha256(to_utf8(concat(salt, substr(beginning, 1, n))))), 1, 12), 16)) END
    AS prefix_digests,
  CASE WHEN messages IS NULL THEN NULL ELSE array_sort(array_distinct(transform(names, x ->
    from_base(substr(to_hex(sha256(to_utf8(concat(salt, x)))), 1, 12), 16) * 4096
    + CASE WHEN substr(x, 1, 1) IN ('t', 'v') THEN 2048 ELSE 0 END
    + CASE WHEN substr(x, 1, 1) IN ('u', 'v') THEN 1024 ELSE 0 END
    + least(length(x) - 2, 1023)))) END AS features
FROM named CROSS JOIN key
) TO <<destination>> WITH (format = 'PARQUET', compression = 'ZSTD')
