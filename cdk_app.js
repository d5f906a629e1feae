// What cdk.json runs: the app with the project's own interpreter, on Linux, macOS and Windows.
//
// The CDK command line hands its `app` line to the system's shell, sh or cmd.exe, which share no syntax for a choice.
// Node is there wherever the CDK command line runs.
"use strict";
const { spawnSync } = require("node:child_process");
const { existsSync } = require("node:fs");

/**
 * Choose the interpreter: that of .venv, else the one on the path.
 * @param {string} platform as process.platform
 * @param {(path: string) => boolean} exists whether a file is there
 * @returns {string[]} command and first arguments
 */
function interpreter(platform, exists) {
  const windows = platform === "win32";
  const own = windows ? ".venv\\Scripts\\python.exe" : ".venv/bin/python";
  if (exists(own)) return [own];
  // python3 on a fresh Windows opens the Store; py is the launcher of python.org's installer.
  return windows ? ["py", "-3"] : ["python3"];
}

if (require.main === module) {
  const [command, ...first] = interpreter(process.platform, existsSync);
  const done = spawnSync(command, [...first, "app.py"], { stdio: "inherit" });
  if (done.error) {
    console.error(`'${command}' cannot be started (${done.error.code}). Install Python 3.11 or newer, then see README.md.`);
  }
  process.exit(done.status ?? 1);
}

module.exports = { interpreter };
