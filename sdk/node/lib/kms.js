"use strict";
// The password from Hanzo KMS, over the two wire forms that sdk/python/hanzo_kv/kms.py describes. No error or log line has a
// password, token or client secret.

const { log } = require("./logs");

const ATTEMPTS = 3; // at a KMS that is not reached, or answers 429 or 5xx
const BACKOFF_MS = 100; // after the first of them, then twice as long
const EXPIRY_MARGIN_MS = 10_000; // a token is renewed so long before its end

/** The KMS gave no password. */
class KMSError extends Error {
  constructor(message) {
    super(message);
    this.name = "KMSError";
  }
}

/** 404, or no JSON: whoever answered does not speak this form. */
class OtherFormError extends KMSError {}

/** 401 for a token. */
class TokenRefusedError extends KMSError {}

/** await password() asks for the secret. `now` gives milliseconds, `timeout` those of one request. */
class KMS {
  #tokens = new Map(); // form -> {text, until}
  #form = ""; // the one that worked
  #fixedToken;
  #now;

  constructor(config, { timeout = 5000, now = () => performance.now() } = {}) {
    this.config = config;
    this.timeout = timeout;
    this.#fixedToken = config.token;
    this.#now = now;
  }

  async password() {
    const started = performance.now();
    const value = await this.#anyForm();
    log("info", "password resolved", { source: "kms", kms_form: this.#form, latency_ms: performance.now() - started });
    return value;
  }

  async #anyForm() {
    for (const form of this.#form === "A" ? ["A", "B"] : ["B", "A"]) {
      try {
        const value = await this.#ask(form);
        this.#form = form;
        return value;
      } catch (error) {
        if (!(error instanceof OtherFormError)) throw error;
      }
    }
    this.#form = "";
    const { name, path, environment, project } = this.config;
    throw new KMSError(`KMS: no secret ${name} at ${path} in ${environment} of ${project}, or no KMS at this address`);
  }

  /** With the token that we have, then with a new one. */
  async #ask(form) {
    const read = (token) => (form === "B" ? this.#readB(token) : this.#readA(token));
    if (this.#fixedToken) {
      try {
        return await read(this.#fixedToken);
      } catch (error) {
        if (!(error instanceof TokenRefusedError) || !this.config.clientId) throw error;
        this.#fixedToken = "";
      }
    }
    const token = this.#tokens.get(form);
    if (token && this.#now() < token.until) {
      try {
        return await read(token.text);
      } catch (error) {
        if (!(error instanceof TokenRefusedError)) throw error;
        this.#tokens.delete(form);
      }
    }
    return read(await this.#login(form));
  }

  async #login(form) {
    const { clientId, clientSecret } = this.config;
    const path = form === "B" ? "/v1/kms/auth/login" : "/api/v1/auth/universal-auth/login";
    const { status, answer } = await this.#request(path, { body: JSON.stringify({ clientId, clientSecret }) });
    if ([400, 401, 403].includes(status)) throw new KMSError(`KMS: the client id or secret was refused (${status})`);
    const { accessToken: text, expiresIn } = answer;
    if (status !== 200 || typeof text !== "string" || !text) throw new KMSError(`KMS: the login gave no token (${status})`);
    const lifetime = typeof expiresIn === "number" ? expiresIn * 1000 : 0;
    this.#tokens.set(form, { text, until: this.#now() + lifetime - EXPIRY_MARGIN_MS });
    return text;
  }

  async #readB(token) {
    const { org, path, name, environment } = this.config;
    const parts = [...path.split("/").filter(Boolean), name].map(encodeURIComponent);
    const query = new URLSearchParams({ env: environment });
    const answer = await this.#read(`/v1/kms/orgs/${encodeURIComponent(org)}/secrets/${parts.join("/")}?${query}`, token);
    return this.#value(answer.secret?.value);
  }

  async #readA(token) {
    const { environment, project, path, name } = this.config;
    const query = new URLSearchParams({ environment, workspaceSlug: project, secretPath: path });
    const { secrets } = await this.#read(`/api/v3/secrets/raw?${query}`, token);
    const found = Array.isArray(secrets) ? secrets.find((each) => each?.secretKey === name) : undefined;
    if (!found) throw new OtherFormError("");
    return this.#value(found.secretValue);
  }

  async #read(path, token) {
    const { status, answer } = await this.#request(path, { token });
    if (status === 401) throw new TokenRefusedError("KMS: the token was refused (401)");
    if (status === 403) throw new KMSError(`KMS: reading ${this.config.name} is forbidden (403)`);
    if (status !== 200) throw new KMSError(`KMS: answered ${status}`);
    return answer;
  }

  #value(value) {
    if (typeof value !== "string" || !value) throw new KMSError(`KMS: the secret ${this.config.name} is empty`);
    return value;
  }

  /** {status, answer: a JSON object} of one request, tried again where that helps. */
  async #request(path, { body, token }) {
    let problem = "";
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt) await new Promise((resolve) => setTimeout(resolve, BACKOFF_MS * 2 ** (attempt - 1)));
      let status, text;
      try {
        ({ status, text } = await this.#send(path, body, token));
      } catch {
        problem = "KMS: cannot be reached";
        continue;
      }
      if (status === 429 || status >= 500) {
        problem = `KMS: answered ${status}`;
        continue;
      }
      if (status >= 300 && status < 400) {
        throw new KMSError(`KMS: redirects (${status}); set HANZO_KMS_URL to the place itself`);
      }
      return { status, answer: parseAnswer(status, text) };
    }
    throw new KMSError(problem);
  }

  async #send(path, body, token) {
    const headers = { Accept: "application/json", "User-Agent": "hanzo-kv" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = `Bearer ${token}`;
    const response = await fetch(this.config.url + path, {
      method: body === undefined ? "GET" : "POST", body, headers,
      redirect: "manual", // the client secret goes to nobody but HANZO_KMS_URL
      signal: AbortSignal.timeout(this.timeout),
    });
    return { status: response.status, text: await response.text() };
  }
}

function parseAnswer(status, text) {
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // no JSON: told below
  }
  if (status === 404 || answer === null || typeof answer !== "object" || Array.isArray(answer)) throw new OtherFormError("");
  return answer;
}

module.exports = { KMS, KMSError };
