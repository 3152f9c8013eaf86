// Sends a signed callback. Node 18 or newer, nothing to install.
//
//     USM_KEY='{"key_id": …}' node sign_callback.mjs URL < body.json
//
// USM_KEY is what `python -m ops.sign_callback key --tenant TENANT` shows.

import { createHash, createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

const key = JSON.parse(process.env.USM_KEY);
const url = new URL(process.argv[2]);
const body = readFileSync(0);

const timestamp = String(Math.floor(Date.now() / 1000));
const requestId = randomUUID();
const query = url.search.slice(1).split("&").sort().join("&");
const target = query ? `${url.pathname}?${query}` : url.pathname;
const tenant = key.key_id.slice(0, key.key_id.lastIndexOf("."));
const digest = createHash("sha256").update(body).digest("hex");
const signed = ["v1", "POST", target, timestamp, requestId, tenant, digest].join("\n");
const signature = createHmac("sha256", Buffer.from(key.secret, "hex")).update(signed).digest("hex");

const answer = await fetch(url, {
  method: "POST",
  body,
  headers: {
    "Content-Type": "application/json",
    "X-Miniapp-Signature": `v1=${signature}`,
    "X-Timestamp": timestamp,
    "X-Request-Id": requestId,
    "X-Key-Id": key.key_id,
  },
});
console.log(await answer.text());
process.exitCode = answer.ok ? 0 : 1;
