/** Where a host is: `unix:///run/dragoman.sock` or `tcp+tls://host:port`. */

/** @typedef {{path: string, host: string, port: number}} Address */

/** The kernel takes no longer path to a socket. */
const PATH_BYTES_MAX = 107;
const WAYS = "say unix:///path/to/socket or tcp+tls://host:port";

/** @param {string} text @returns {Address} */
export function parseAddress(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new TypeError(`${JSON.stringify(text)} is no address: ${WAYS}`);
  }
  if (url.protocol === "unix:") {
    const path = decodeURIComponent(url.pathname);
    if (url.host || !path.startsWith("/") || path === "/") {
      throw new TypeError(`${text} names no socket: say unix:///path/to/socket, with three slashes`);
    }
    if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
      throw new TypeError(`${text} is too long: the path to a socket has at most ${PATH_BYTES_MAX} bytes`);
    }
    return { path, host: "", port: 0 };
  }
  if (url.protocol !== "tcp+tls:") throw new TypeError(`no host is called at ${url.protocol}// here: ${WAYS}`);
  if (!url.hostname || !url.port) throw new TypeError(`${text} needs a host and a port: tcp+tls://host:port`);
  return { path: "", host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) };
}
