// Peer: Node's `ws`, every message broadcast to every socket, no compression.
// The loop is the broadcast example of its own manual; the payload goes out as the bytes that came in.
"use strict";

const { WebSocket, WebSocketServer } = require(process.argv[3]);

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate: false });

server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data, isBinary) => {
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
    }
  });
});

process.on("SIGTERM", () => process.exit(0));
