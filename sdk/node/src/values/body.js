/** Bodies: values as their codecs write them. */

import { Codec, NO_BYTES } from "../wire/frame.js";
import { bodyOf } from "../wire/batch.js";
import { Malformed, decodeJson, writeJson } from "./json.js";
import { TooWide, decodeMsgpack, writeMsgpack } from "./msgpack.js";
import { Unsayable } from "./walk.js";

/** @typedef {import("../wire/batch.js").Body} Body */

/**
 * The value of a body. Raw bytes and Arrow streams are handed through; no body is undefined.
 *
 * @param {Buffer} body which may be overwritten afterwards, unless it is owned
 * @param {number} codec
 * @param {boolean} owned
 * @returns {any}
 */
export function decodeBody(body, codec, owned) {
  switch (codec) {
    case Codec.JSON:
      return decodeJson(body);
    case Codec.MSGPACK:
      return decodeMsgpack(body);
    case Codec.NONE:
      return undefined;
    case Codec.BYTES:
    case Codec.ARROW:
      return owned ? body : Buffer.from(body);
    default:
      throw new Malformed(`codec ${codec} is not spoken here`);
  }
}

/**
 * A value as a body, and the codec that it came out in: JSON where MessagePack cannot say it.
 *
 * @param {unknown} value
 * @param {number} codec
 * @returns {{codec: number, body: Body}}
 */
export function encodeBody(value, codec) {
  const said = value === undefined ? null : value;
  switch (codec) {
    case Codec.JSON:
      return { codec, body: bodyOf(writeJson(said)) };
    case Codec.MSGPACK:
      try {
        return { codec, body: writeMsgpack(said) };
      } catch (error) {
        if (!(error instanceof TooWide)) throw error;
        return { codec: Codec.JSON, body: bodyOf(writeJson(said)) };
      }
    default:
      return { codec, body: rawBytes(said) };
  }
}

/** @param {unknown} value @returns {Buffer} */
export function rawBytes(value) {
  if (Buffer.isBuffer(value)) return value;
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (value === null) return NO_BYTES;
  throw new Unsayable(`raw bytes were wanted, and the value is a ${typeof value}: return a Buffer`, "");
}
