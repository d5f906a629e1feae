// Evaluates JSONata as AWS Step Functions documents it: version 2.0.6 of the reference implementation.
// stdin: [{expression, input, bindings}], stdout: [{value} or {error}], in the same order.
const jsonata = require('jsonata');

async function evaluated({ expression, input, bindings }) {
  try {
    const value = await jsonata(expression).evaluate(input, bindings);
    return { value: value === undefined ? null : value, defined: value !== undefined };
  } catch (problem) {
    return { error: `${problem.code}: ${problem.message}` };
  }
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const results = [];
  for (const asked of JSON.parse(Buffer.concat(chunks))) results.push(await evaluated(asked));
  process.stdout.write(JSON.stringify(results));
}

main();
