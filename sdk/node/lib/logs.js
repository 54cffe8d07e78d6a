"use strict";
// What this package logs, as lines of JSON with the fields of sdk/python/hanzo_kv/logs.py: nothing until the program calls logTo().

const LEVELS = ["debug", "info", "warn", "error"];
let sink = null;

/**
 * Write lines to `write`, (line) => void, standard error where it is not given; null ends that. `trace` gives {trace_id, span_id}, or
 * undefined, for each line.
 */
function logTo(write = (line) => process.stderr.write(line + "\n"), { service, level = "info", trace = () => undefined } = {}) {
  const name = service || process.env.OTEL_SERVICE_NAME || process.env.SERVICE_NAME || "unknown";
  sink = write && { write, service: name, least: LEVELS.indexOf(level), trace };
}

function log(level, msg, fields = {}) {
  if (!sink || LEVELS.indexOf(level) < sink.least) return;
  const { latency_ms: latency, ...rest } = fields;
  const line = {
    ts: new Date().toISOString(), level, msg, service: sink.service, ...sink.trace(), "db.system": "redis", ...rest,
  };
  if (latency !== undefined) line.latency_ms = Math.round(latency * 1000) / 1000;
  sink.write(JSON.stringify(line));
}

module.exports = { log, logTo };
