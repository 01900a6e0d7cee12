// A server that every foreign name leads to. It hears each connection, speaks HTTP and HTTPS on one
// port, and answers with a small picture, as a tracker would.

import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";

export async function listen(facts) {
  const heard = [];
  const answer = (scheme) => (request, response) => {
    const { method, url, headers } = request;
    heard.push({ scheme, method, host: headers.host, url, headers });
    response.writeHead(200, { "content-type": "image/gif" }).end(PICTURE);
  };
  const plain = http.createServer(answer("http"));
  const secure = https.createServer(
    { cert: readFileSync(facts.ca_file), key: readFileSync(facts.key_file) },
    answer("https"),
  );
  let connections = 0;
  const server = net.createServer((socket) => {
    connections += 1;
    socket.on("error", () => {});
    socket.once("data", (first) => {
      socket.pause();
      socket.unshift(first);
      (first[0] === HANDSHAKE ? secure : plain).emit("connection", socket);
      process.nextTick(() => socket.resume());
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: server.address().port,
    heard,
    /** Connections so far, whatever was said on them. */
    connections: () => connections,
    close: () => server.close(),
  };
}

/** The first octet of a TLS connection (RFC 8446 §5.1). */
const HANDSHAKE = 22;
/** One transparent dot. */
const PICTURE = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");
