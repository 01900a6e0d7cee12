// The app on a person's phone (RFC 6238: SHA-1, six digits, 30 seconds). It shows no code twice.

import { createHmac } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

export class Authenticator {
  #key;
  #last = 0;

  constructor(seed) {
    this.#key = base32(seed.replace(/\s/g, ""));
  }

  /** A code that was not used before. The server takes the step before and the step after too. */
  async code() {
    for (;;) {
      const now = Date.now() / 1000;
      const step = Math.floor(now / STEP);
      // Not in the last seconds of the earliest step: it would be over on arrival.
      const earliest = now % STEP < STEP - 8 ? step - 1 : step;
      const next = Math.max(earliest, this.#last + 1);
      if (next <= step + 1) {
        this.#last = next;
        return this.#at(next);
      }
      await pause(200);
    }
  }

  #at(step) {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const mac = createHmac("sha1", this.#key).update(counter).digest();
    const truncated = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
    return String(truncated % 1_000_000).padStart(6, "0");
  }
}

function base32(text) {
  let bits = "";
  for (const letter of text) bits += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0");
  return Buffer.from(bits.match(/.{8}/g).map((octet) => parseInt(octet, 2)));
}

const STEP = 30;
