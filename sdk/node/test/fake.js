"use strict";
// sdk/fake_kms.py as a process of its own.

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const path = require("node:path");

async function startKms() {
  const child = spawn(process.env.PYTHON || "python3", [path.join(__dirname, "../../fake_kms.py")], { stdio: ["pipe", "pipe", "inherit"] });
  const [data] = await once(child.stdout, "data");
  const url = data.toString().trim();
  const send = async (method, state) => (await fetch(url + "/_state", { method, body: JSON.stringify(state) })).json();
  return {
    url,
    put: (state) => send("PUT", state),
    patch: (state) => send("PATCH", state),
    requests: async () => (await fetch(url + "/_requests")).json(),
    close: () => child.stdin.end(),
  };
}

module.exports = { startKms };
