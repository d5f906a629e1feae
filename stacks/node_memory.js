// Loaded before the CDK library by `tune_node` of node.py: memory of WebAssembly does not trigger collections.
//
// The template validator grows its WebAssembly memory some two thousand times. At each of them V8 counts the whole memory
// as new, and collects all garbage once 64 MB are counted: half of a synthesis. Counted into the limit of the whole heap
// it collects a few times, with as much memory in the end.
"use strict";
const { setFlagsFromString } = require("node:v8");

// Another V8 may not know the flag, and would complain of it in the output.
if (process.versions.node.startsWith("24.")) setFlagsFromString("--external-memory-accounted-in-global-limit");
