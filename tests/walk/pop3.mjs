// A mail client: curl.

import { spawn } from "node:child_process";

/** A message of a device's view; an error that says what curl says. */
export async function retrieve(facts, device, number) {
  const curl = spawn("curl", ["--silent", "--show-error", "--config", "-", "--cacert", facts.ca_file,
    `pop3s://localhost:${facts.pop3s}/${number}`]);
  // Not on the command line, where everybody on the machine can read it.
  curl.stdin.end(`user = "${device.login}:${device.app_password}"\n`);
  const [said, wrong] = await Promise.all([text(curl.stdout), text(curl.stderr), closed(curl)]);
  if (curl.exitCode !== 0) throw new Error(`curl: ${wrong.trim()}`);
  return said;
}

async function text(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

function closed(child) {
  return new Promise((resolve) => child.once("close", resolve));
}
