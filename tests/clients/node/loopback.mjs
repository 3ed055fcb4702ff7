// Preload for servers that listen on every interface: they listen on 127.0.0.1 instead.
import net from "node:net";

const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (port, ...rest) {
  const isPort = typeof port === "number" || typeof port === "string";
  if (!isPort) {
    return listen.call(this, port, ...rest);
  }
  return listen.call(this, Number(port), "127.0.0.1", ...rest.filter((argument) => typeof argument === "function"));
};
