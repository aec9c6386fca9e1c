/**
 * Decoded values put into the types that a function was written for: bytes into Buffers; and, where a compiler has read
 * the types, moments into Dates, integers into BigInts, lists into Sets, records into Maps.
 *
 * What those types cannot hold exactly is refused, never rounded.
 */

import { Fault } from "../fault.js";
import { pointer } from "../values/walk.js";

/** @typedef {Record<string, any>} Schema */
/** @typedef {(value: any, path: string) => any} Read */

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const MOMENT = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.(\d{1,9}))?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** @param {string} path @param {string} message */
function refuse(path, message) {
  return new Fault("INVALID_ARGUMENT", `the input breaks its contract: ${path || "/"}: ${message}`, {
    started: "no",
    errors: [{ path, message }],
  });
}

/**
 * How values of a schema are read; null where they stay as they are.
 *
 * @param {Schema} schema
 * @param {boolean} asText bytes stay the text that they are in JSON, whatever the codec: what a validator expects
 * @returns {Read | null}
 */
export function reader(schema, asText) {
  return new Readers(schema, asText).of(schema);
}

class Readers {
  /** @param {Schema} root @param {boolean} asText */
  constructor(root, asText) {
    this.root = root;
    this.asText = asText;
    /** @type {Map<Schema, {read: Read | null}>} */
    this.known = new Map();
  }

  /** @param {any} schema @returns {Read | null} */
  of(schema) {
    if (typeof schema !== "object" || schema === null) return null;
    const known = this.known.get(schema);
    // A schema that holds itself: it is read by what is being made.
    if (known) return known.read ?? ((value, path) => (known.read ? known.read(value, path) : value));
    /** @type {{read: Read | null}} */
    const made = { read: null };
    this.known.set(schema, made);
    made.read = this.make(schema);
    if (made.read === null) this.known.delete(schema);
    return made.read;
  }

  /** @param {Schema} schema @returns {Read | null} */
  make(schema) {
    if (typeof schema.$ref === "string") return this.of(this.resolve(schema.$ref));
    const mark = READS[schema["x-js"]];
    if (mark && schema["x-js"] !== "Set" && schema["x-js"] !== "Map") return mark;
    if (schema.contentEncoding === "base64") return this.asText ? asBase64 : asBytes;
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices) return this.choice(choices);
    const inner = this.list(schema) ?? this.record(schema);
    if (!mark) return inner;
    return (value, path) => mark(inner ? inner(value, path) : value, path);
  }

  /** @param {string} ref @returns {Schema | null} */
  resolve(ref) {
    if (!ref.startsWith("#")) return null;
    let found = /** @type {any} */ (this.root);
    for (const part of ref.slice(1).split("/").filter(Boolean)) {
      found = found?.[decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")];
    }
    return found ?? null;
  }

  /** @param {Schema} schema @returns {Read | null} */
  list(schema) {
    const each = this.of(schema.items);
    const places = Array.isArray(schema.prefixItems) ? schema.prefixItems.map((item) => this.of(item)) : [];
    if (!each && !places.some(Boolean)) return null;
    return (value, path) => {
      if (!Array.isArray(value)) return value;
      return value.map((item, at) => {
        const read = at < places.length ? places[at] : each;
        return read ? read(item, `${path}/${at}`) : item;
      });
    };
  }

  /** @param {Schema} schema @returns {Read | null} */
  record(schema) {
    /** @type {[string, Read][]} */
    const named = [];
    for (const [key, each] of Object.entries(schema.properties ?? {})) {
      const read = this.of(each);
      if (read) named.push([key, read]);
    }
    const rest = this.of(schema.additionalProperties);
    if (!named.length && !rest) return null;
    return (value, path) => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
      for (const [key, read] of named) {
        if (Object.hasOwn(value, key)) value[key] = read(value[key], path + pointer(key));
      }
      if (rest) {
        for (const key of Object.keys(value)) {
          if (!schema.properties || !Object.hasOwn(schema.properties, key))
            value[key] = rest(value[key], path + pointer(key));
        }
      }
      return value;
    };
  }

  /** @param {Schema[]} choices @returns {Read | null} */
  choice(choices) {
    const reads = choices.map((each) => this.of(each));
    if (!reads.some(Boolean)) return null;
    return (value, path) => {
      const at = choices.findIndex((each) => this.fits(value, each));
      const read = at < 0 ? null : reads[at];
      return read ? read(value, path) : value;
    };
  }

  /** Whether a value is of a choice, as far as its type and its tags tell. @param {any} value @param {Schema} choice @returns {boolean} */
  fits(value, choice) {
    const schema = typeof choice.$ref === "string" ? (this.resolve(choice.$ref) ?? {}) : choice;
    if ("const" in schema) return value === schema.const;
    if (Array.isArray(schema.enum)) return schema.enum.includes(value);
    const inner = schema.anyOf ?? schema.oneOf;
    if (inner) return inner.some((/** @type {Schema} */ each) => this.fits(value, each));
    if (schema.contentEncoding === "base64")
      return typeof value === "string" ? BASE64.test(value) : Buffer.isBuffer(value);
    if (schema.format === "date-time") return typeof value === "string" && MOMENT.test(value);
    if (!typeFits(value, schema.type)) return false;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return true;
    const required = Array.isArray(schema.required) ? schema.required : [];
    if (!required.every((/** @type {string} */ key) => Object.hasOwn(value, key))) return false;
    return Object.entries(schema.properties ?? {}).every(
      ([key, each]) => !Object.hasOwn(value, key) || !isTag(each) || this.fits(value[key], each),
    );
  }
}

/** @param {any} schema */
function isTag(schema) {
  return typeof schema === "object" && schema !== null && ("const" in schema || "enum" in schema);
}

/** @param {any} value @param {unknown} type @returns {boolean} */
function typeFits(value, type) {
  if (Array.isArray(type)) return type.some((each) => typeFits(value, each));
  switch (type) {
    case undefined:
      return true;
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);
    case "integer":
      return typeof value === "bigint" || Number.isInteger(value);
    case "number":
      return typeof value === "number" || typeof value === "bigint";
    default:
      return typeof value === type;
  }
}

/** @type {Read} */
function asBytes(value, path) {
  if (typeof value !== "string") return value;
  if (!BASE64.test(value)) throw refuse(path, "is not base64 with padding (RFC 4648 §4)");
  return Buffer.from(value, "base64");
}

/** @type {Read} */
function asBase64(value) {
  return Buffer.isBuffer(value) ? value.toString("base64") : value;
}

/** @type {Record<string, Read>} */
const READS = {
  Date(value, path) {
    if (typeof value !== "string") return value;
    const match = MOMENT.exec(value);
    const date = new Date(value.replace(" ", "T"));
    if (!match || Number.isNaN(date.getTime())) throw refuse(path, "is not a moment as RFC 3339 writes it");
    if (match[1] && match[1].replace(/0+$/, "").length > 3) {
      throw refuse(path, "is finer than a millisecond, which a Date cannot hold: declare a string");
    }
    return date;
  },
  bigint(value) {
    return Number.isInteger(value) ? BigInt(value) : value;
  },
  number(value, path) {
    if (typeof value !== "bigint") return value;
    throw refuse(path, "is past 2^53, which a number cannot hold: declare a bigint");
  },
  Set(value) {
    return Array.isArray(value) ? new Set(value) : value;
  },
  Map(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? new Map(Object.entries(value))
      : value;
  },
};
