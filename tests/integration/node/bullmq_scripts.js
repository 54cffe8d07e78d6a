// The Lua scripts that BullMQ's package has: name, text and SHA-1. Run by itself it writes them as JSON.
const crypto = require("node:crypto");
const scripts = require("bullmq/dist/cjs/scripts");

module.exports = Object.values(scripts).map(({ name, content }) => (
  { name, content, sha1: crypto.createHash("sha1").update(content).digest("hex") }));

if (require.main === module) console.log(JSON.stringify(module.exports));
