"use strict";
// Passwords that change while the program runs: a source keeps its answer until the server refuses it, and only then looks again.

const { readSecret } = require("./config");
const { KMS } = require("./kms");
const { log } = require("./logs");

const LOOK_AGAIN_MS = 1000; // a password that the source still has although it was refused is not asked for more often

/** `fetch` gives a promise of the password. Any number of clients may share one. */
class RotatingCredentials {
  #fetch;
  #now;
  #password = "";
  #asking = null; // a promise, while the source is asked
  #looked = -Infinity; // when the source gave again what had been refused

  constructor(fetch, { username = "", now = () => performance.now() } = {}) {
    this.username = username;
    this.#fetch = fetch;
    this.#now = now;
  }

  async password() {
    return this.#password || this.#ask();
  }

  /** The server did not take this password: whether there is another one now. Rejects with what `fetch` rejects with. */
  async refused(password) {
    if (this.#asking) await this.#asking;
    if (password !== this.#password) return true; // another connection has looked already
    if (this.#now() - this.#looked < LOOK_AGAIN_MS) return false;
    const changed = (await this.#ask()) !== password;
    this.#looked = changed ? -Infinity : this.#now();
    log("warn", "password refused", { reason: changed ? "another one is known now" : "no other one is known" });
    return changed;
  }

  #ask() {
    this.#asking ??= (async () => this.#fetch())()
      .then((password) => (this.#password = password))
      .finally(() => (this.#asking = null));
    return this.#asking;
  }
}

/** undefined where the password is one that does not change, or there is none. */
function credentialsOf({ address, passwordFile, kms }) {
  const { username } = address;
  if (kms) {
    const source = new KMS(kms);
    return new RotatingCredentials(() => source.password(), { username });
  }
  return passwordFile ? new RotatingCredentials(async () => readSecret(passwordFile, "password file"), { username }) : undefined;
}

module.exports = { RotatingCredentials, credentialsOf };
