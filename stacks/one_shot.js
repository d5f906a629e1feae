// Loaded before the CDK library by `tune_node` of node.py: a synthesis ends before optimised code would earn what it costs.
//
// V8 compiles functions that are called often a second time, on threads of its own. The template validator (WebAssembly)
// and the library run for about four seconds in a process that then ends. V8's flags cannot stand in NODE_OPTIONS.
"use strict";
const { setFlagsFromString } = require("node:v8");
require("./node_memory.js");

setFlagsFromString("--no-opt");
setFlagsFromString("--no-sparkplug");
// Calls of a WebAssembly function until it is compiled a second time, counted in bytes of code: out of reach.
setFlagsFromString("--wasm-tiering-budget=100000000");
// Threads that collect garbage beside the program wait for each other longer than they help.
setFlagsFromString("--single-threaded-gc");
// The heap may grow tenfold before it is collected: the process ends at some 150 MB of it.
setFlagsFromString("--heap-growing-percent=1000");
