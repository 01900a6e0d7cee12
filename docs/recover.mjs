// Recovers a tenant's mail from a copy of Veilpost's data folder and the printed recovery code, with
// none of Veilpost's own code: an age library, HKDF-SHA256, ChaCha20-Poly1305 and docs/format.md.
//
//   npm install age-encryption
//   VEILPOST_RECOVERY_CODE=abcd-… node recover.mjs DATA_FOLDER OUTPUT_FOLDER
//
// DATA_FOLDER is the one that veilpost.toml calls data_dir, or the folder `blobs` in it alone.
// Writes every message as <message id>.eml. A damaged container is named and skipped, what could be
// read of it stays as <message id>.eml.partial, and the exit code is 1. The script reads the data
// folder and never writes to it.

import { createDecipheriv, createHash, hkdfSync } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Decrypter } from "age-encryption";

const CHUNK = 64 * 1024;
const TAG = 16;

const [, , data, output] = process.argv;
const code = (process.env.VEILPOST_RECOVERY_CODE ?? "").replace(/[\s-]/g, "").toLowerCase();
if (!data || !output || code.length !== 32) {
  console.error("usage: VEILPOST_RECOVERY_CODE=abcd-… node recover.mjs DATA_FOLDER OUTPUT_FOLDER");
  process.exit(2);
}
const folder = existsSync(join(data, "blobs")) ? join(data, "blobs") : data;
const owners = new Map();
const seeds = new Map();

async function main() {
  await openRecoveryFiles(code.match(/.{4}/g).join("-"));
  if (owners.size === 0) throw Error("the code opens no file under recovery/");
  mkdirSync(output, { recursive: true, mode: 0o700 });
  let [written, damaged] = [0, 0];
  for (const path of containers()) {
    try {
      written += (await recover(readFileSync(join(folder, path)))) ? 1 : 0;
    } catch (error) {
      damaged += 1;
      console.error(`${path}: ${error.message}`);
    }
  }
  console.log(`${written} messages written, ${damaged} containers damaged`);
  process.exitCode = damaged > 0 ? 1 : 0;
}

/** Collects the owner identities that the code opens, by tenant. */
async function openRecoveryFiles(passphrase) {
  for (const name of list("recovery").filter((name) => name.endsWith(".age"))) {
    const decrypter = new Decrypter();
    decrypter.addPassphrase(passphrase);
    try {
      const text = await decrypter.decrypt(readFileSync(join(folder, "recovery", name)), "text");
      owners.set(name.slice(0, -4), text.split("\n").find((line) => line.startsWith("AGE-SECRET-KEY-")));
    } catch {
      // Another tenant's.
    }
  }
}

function containers() {
  return list("messages").flatMap((shard) => list(join("messages", shard)).map((name) => join("messages", shard, name)));
}

function list(path) {
  return readdirSync(join(folder, path)).sort();
}

/** Writes the message of one container; false if it belongs to a tenant whose code this is not. */
async function recover(bytes) {
  const container = readTable(bytes);
  if (!owners.has(container.tenant)) return false;
  const key = await messageKey(container);
  const manifest = readManifest(open(key, Buffer.alloc(12), container.manifest, container.associated));
  const path = join(output, `${container.message}.eml`);
  const file = openSync(`${path}.partial`, "w", 0o600);
  const digest = createHash("sha256");
  const strata = manifest.get(4).map(([number, length, key]) => new Stratum(container.strata[number], length, key));
  for (const [length, , number] of manifest.get(5)) {
    for (const part of strata[number].take(length)) {
      digest.update(part);
      writeSync(file, part);
    }
  }
  closeSync(file);
  if (!digest.digest().equals(manifest.get(0))) throw Error("the message differs from the one received");
  renameSync(`${path}.partial`, path);
  return true;
}

/** docs/format.md, "Container". */
function readTable(bytes) {
  let at = 0;
  const take = (length) => {
    if (at + length > bytes.length) throw Error("cut short");
    return bytes.subarray(at, (at += length));
  };
  if (take(8).toString("latin1") !== "VEILPOST" || take(1)[0] !== 1) throw Error("not a container of version 1");
  const message = identifier(take(16));
  const [strataCount, manifestCount] = [take(2).readUInt16BE(), take(2).readUInt16BE()];
  const strataLengths = Array.from({ length: strataCount }, () => Number(take(8).readBigUInt64BE()));
  const manifests = Array.from({ length: manifestCount }, () => {
    const [kind, reader, epoch] = [take(1).toString("latin1"), identifier(take(16)), identifier(take(16))];
    return { kind, reader, epoch, counter: take(4).readUInt32BE(), length: take(4).readUInt32BE() };
  });
  const table = bytes.subarray(0, at);
  const strata = strataLengths.map(take);
  const [owner] = manifests;
  if (owner?.kind !== "o") throw Error("no owner's manifest");
  const manifest = take(owner.length);
  const associated = Buffer.concat([Buffer.from("veilpost/v1/manifest"), table, Buffer.from([0, 0])]);
  return { message, tenant: owner.reader, epoch: owner.epoch, counter: owner.counter, strata, manifest, associated };
}

/** docs/format.md, "Message keys". */
async function messageKey({ tenant, epoch, counter }) {
  if (counter >= 256) throw Error("a counter beyond an epoch");
  if (!seeds.has(epoch)) {
    const decrypter = new Decrypter();
    decrypter.addIdentity(owners.get(tenant));
    seeds.set(epoch, await decrypter.decrypt(readFileSync(join(folder, "epochs", tenant, `${epoch}.age`))));
  }
  let chain = seeds.get(epoch);
  for (let step = 0; step < counter; step++) chain = hkdf(chain, "veilpost/v1/epoch/next");
  return hkdf(chain, "veilpost/v1/epoch/message");
}

function hkdf(key, info) {
  return new Uint8Array(hkdfSync("sha256", key, new Uint8Array(0), info, 32));
}

function open(key, nonce, sealed, associated = Buffer.alloc(0)) {
  const body = sealed.subarray(0, -TAG);
  const cipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG });
  cipher.setAAD(associated, { plaintextLength: body.length });
  cipher.setAuthTag(sealed.subarray(-TAG));
  return Buffer.concat([cipher.update(body), cipher.final()]);
}

/** docs/format.md, "Strata": read from start to end, one chunk in memory. */
class Stratum {
  constructor(sealed, length, key) {
    Object.assign(this, { sealed, key, index: 0, chunk: Buffer.alloc(0) });
    if (sealed.length !== length + Math.ceil(length / CHUNK) * TAG) throw Error("a stratum of another length");
  }

  *take(length) {
    while (length > 0) {
      if (this.chunk.length === 0) this.chunk = this.next();
      const part = this.chunk.subarray(0, length);
      this.chunk = this.chunk.subarray(part.length);
      length -= part.length;
      yield part;
    }
  }

  next() {
    const start = this.index * (CHUNK + TAG);
    const sealed = this.sealed.subarray(start, start + CHUNK + TAG);
    if (sealed.length <= TAG) throw Error("a stratum too short");
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32BE(this.index++, 7);
    nonce[11] = start + sealed.length === this.sealed.length ? 1 : 0;
    return open(this.key, nonce, sealed);
  }
}

/** CBOR (RFC 8949) as manifests use it: unsigned and negative integers, byte and text strings, arrays, maps. */
function readManifest(bytes) {
  let at = 0;
  const argument = (info) => {
    if (info < 24) return info;
    if (info > 27) throw Error("CBOR that manifests do not use");
    const size = 1 << (info - 24);
    const value = size === 8 ? Number(bytes.readBigUInt64BE(at)) : bytes.readUIntBE(at, size);
    at += size;
    return value;
  };
  const item = () => {
    const initial = bytes[at++];
    const value = argument(initial & 31);
    switch (initial >> 5) {
      case 0: return value;
      case 1: return -1 - value;
      case 2: return bytes.subarray(at, (at += value));
      case 3: return bytes.toString("utf8", at, (at += value));
      case 4: return Array.from({ length: value }, item);
      case 5: return new Map(Array.from({ length: value }, () => [item(), item()]));
      default: throw Error("CBOR that manifests do not use");
    }
  };
  return item();
}

/** 16 bytes as 26 letters of lower-case base32 (RFC 4648 §6, no padding). */
function identifier(bytes) {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  bits <<= 2n;
  return Array.from({ length: 26 }, (_, place) => "abcdefghijklmnopqrstuvwxyz234567"[Number((bits >> BigInt(125 - 5 * place)) & 31n)]).join("");
}

await main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
