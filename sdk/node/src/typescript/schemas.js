/** From the types of TypeScript, as its own checker sees them, to JSON Schema 2020-12. */

/** @typedef {import("typescript")} TS */
/** @typedef {import("typescript").Type} Type */
/** @typedef {import("typescript").Symbol} TypeSymbol */
/** @typedef {Record<string, any>} Schema */

const BYTES = Object.freeze({ type: "string", contentEncoding: "base64" });
const MOMENT = Object.freeze({ type: "string", format: "date-time", "x-js": "Date" });
const BYTE_TYPES = new Set(["Uint8Array", "Buffer", "ArrayBuffer", "SharedArrayBuffer", "DataView"]);
const LISTS = new Set(["Array", "ReadonlyArray"]);
const SETS = new Set(["Set", "ReadonlySet"]);
const MAPS = new Set(["Map", "ReadonlyMap"]);
const BEHAVIOUR = new Set(["Promise", "Function", "WeakMap", "WeakSet", "WeakRef", "RegExp", "Error", "AbortSignal"]);
/** What gives its items one by one. */
export const STREAMS = new Set(
  ["Generator", "Iterator", "Iterable", "IterableIterator", "IteratorObject"].flatMap((each) => [each, `Async${each}`]),
).add("ReadableStream");

const NUMBERS = [
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
];
/** Types nest this deep; a generic type that holds ever new ones of itself would have no end. */
const DEPTH_MAX = 100;
const TEXTS = ["pattern", "format", "title"];

/** A type that cannot be part of a contract. */
export class Unfit extends Error {}

export class Schemas {
  /**
   * @param {TS} ts
   * @param {import("typescript").TypeChecker} checker
   * @param {import("typescript").Node} node where types are looked at from
   */
  constructor(ts, checker, node) {
    this.ts = ts;
    this.checker = checker;
    this.node = node;
    /** @type {Map<Type, {name: string, used: boolean}>} */
    this.open = new Map();
    /** @type {Record<string, Schema>} */
    this.defs = {};
    /** The property whose values come one by one. */
    this.inputStream = "";
  }

  /** A whole schema, with what it refers to. @param {Schema} schema @returns {Schema} */
  whole(schema) {
    return Object.keys(this.defs).length ? { ...schema, $defs: this.defs } : schema;
  }

  /** The name of a type that the language or its library declares. @param {Type} type */
  known(type) {
    return (type.aliasSymbol ?? type.symbol)?.name === "Buffer" ? "Buffer" : (type.symbol?.name ?? "");
  }

  /** @param {Type} type @param {string} where @returns {Schema} */
  of(type, where) {
    const { ts } = this;
    const { flags } = type;
    if (flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.NonPrimitive)) return {};
    if (flags & ts.TypeFlags.Boolean) return { type: "boolean" };
    if (type.isUnion()) return this.referred(type, where, () => this.union(type.types, where));
    if (type.isIntersection()) {
      const primitive = type.types.find((each) => !(each.flags & ts.TypeFlags.Object));
      return primitive ? this.of(primitive, where) : this.referred(type, where, () => this.properties(type, where));
    }
    if (flags & ts.TypeFlags.Object) return this.referred(type, where, () => this.object(type, where));
    return this.scalar(type, where);
  }

  /**
   * A schema, or a reference to one that holds itself.
   *
   * @param {Type} type
   * @param {string} where
   * @param {() => Schema} make
   * @returns {Schema}
   */
  referred(type, where, make) {
    const inside = this.open.get(type);
    if (inside) {
      inside.used = true;
      return { $ref: `#/$defs/${inside.name}` };
    }
    if (this.open.size >= DEPTH_MAX) throw this.unfit(type, where, `it nests more than ${DEPTH_MAX} deep`);
    const entry = { name: this.nameFor(type), used: false };
    this.open.set(type, entry);
    const schema = make();
    this.open.delete(type);
    if (!entry.used) return schema;
    this.defs[entry.name] = schema;
    return { $ref: `#/$defs/${entry.name}` };
  }

  /** @param {Type} type */
  nameFor(type) {
    const label = (type.aliasSymbol ?? type.symbol)?.name ?? "";
    let name = /^\w+$/.test(label) && !label.startsWith("__") ? label : "Record";
    while (name in this.defs || [...this.open.values()].some((each) => each.name === name)) name += "_";
    return name;
  }

  /** @param {Type} type @param {string} where @returns {Schema} */
  scalar(type, where) {
    const { ts } = this;
    const { flags } = type;
    if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
    if (flags & ts.TypeFlags.BooleanLiteral) return { const: this.checker.typeToString(type) === "true" };
    if (flags & ts.TypeFlags.StringLike) return { type: "string" };
    if (flags & ts.TypeFlags.NumberLike) return { type: "number", "x-js": "number" };
    if (flags & ts.TypeFlags.BigIntLike) return { type: "integer", "x-js": "bigint" };
    if (flags & (ts.TypeFlags.Null | ts.TypeFlags.Undefined | ts.TypeFlags.Void)) return { type: "null" };
    if (flags & ts.TypeFlags.TypeParameter) {
      const bound = this.checker.getBaseConstraintOfType(type);
      return bound ? this.of(bound, where) : {};
    }
    throw this.unfit(type, where);
  }

  /** @param {Type[]} all @param {string} where @returns {Schema} */
  union(all, where) {
    const { ts } = this;
    const types = all.filter((each) => !(each.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Void)));
    const literals = types.filter((each) => each.isStringLiteral() || each.isNumberLiteral());
    const flags = types.filter((each) => each.flags & ts.TypeFlags.BooleanLiteral);
    const rest = types.filter((each) => !literals.includes(/** @type {any} */ (each)) && !flags.includes(each));
    /** @type {Schema[]} */
    const choices = rest.map((each) => this.of(each, where));
    if (literals.length === 1) choices.unshift(this.of(literals[0], where));
    else if (literals.length) choices.unshift({ enum: literals.map((each) => /** @type {any} */ (each).value) });
    if (flags.length === 2) choices.push({ type: "boolean" });
    else if (flags.length) choices.push(this.scalar(flags[0], where));
    return choices.length === 1 ? choices[0] : { anyOf: choices };
  }

  /** @param {Type} type @param {string} where @returns {Schema} */
  object(type, where) {
    const { checker } = this;
    const name = this.known(type);
    const [first, second] = checker.getTypeArguments(/** @type {any} */ (type));
    if (checker.isTupleType(type)) return this.tuple(type, where);
    if (name === "Date") return { ...MOMENT };
    if (BYTE_TYPES.has(name)) return { ...BYTES };
    if (LISTS.has(name)) return { type: "array", items: this.of(first, `${where}[]`) };
    if (SETS.has(name)) return { type: "array", uniqueItems: true, items: this.of(first, `${where}[]`), "x-js": "Set" };
    if (MAPS.has(name)) {
      if (!(first.flags & this.ts.TypeFlags.StringLike)) throw this.unfit(type, where, "the keys of a map are text");
      return { type: "object", additionalProperties: this.of(second, `${where}[…]`), "x-js": "Map" };
    }
    if (
      BEHAVIOUR.has(name) ||
      STREAMS.has(name) ||
      type.getCallSignatures().length ||
      type.getConstructSignatures().length
    ) {
      throw this.unfit(type, where);
    }
    return this.properties(type, where);
  }

  /** @param {any} type @param {string} where @returns {Schema} */
  tuple(type, where) {
    const { target } = type;
    const types = this.checker.getTypeArguments(type);
    const fixed = target.fixedLength;
    const schema = {
      type: "array",
      prefixItems: types.slice(0, fixed).map((each, at) => this.of(each, `${where}[${at}]`)),
      minItems: target.minLength,
      items: types.length > fixed ? this.of(types[fixed], `${where}[]`) : false,
    };
    return schema;
  }

  /** @param {Type} type @param {string} where @returns {Schema} */
  properties(type, where) {
    const { checker, ts } = this;
    /** @type {Record<string, Schema>} */
    const properties = {};
    /** @type {string[]} */
    const required = [];
    for (const symbol of checker.getPropertiesOfType(type)) {
      if (symbol.name.startsWith("__@")) continue;
      const found = checker.getTypeOfSymbolAtLocation(symbol, this.node);
      properties[symbol.name] = this.annotated(this.of(found, `${where}.${symbol.name}`), symbol);
      if (!(symbol.flags & ts.SymbolFlags.Optional) && !this.mayLack(found)) required.push(symbol.name);
    }
    const more = this.others(type, where);
    return { type: "object", properties, ...(required.length ? { required } : {}), additionalProperties: more };
  }

  /** What properties without a name of their own may be. @param {Type} type @param {string} where @returns {Schema | false} */
  others(type, where) {
    const found = this.checker
      .getIndexInfosOfType(type)
      .filter((each) => !(each.keyType.flags & this.ts.TypeFlags.ESSymbol));
    if (found.length > 1) return { anyOf: found.map((each) => this.of(each.type, `${where}[…]`)) };
    return found.length ? this.of(found[0].type, `${where}[…]`) : false;
  }

  /** Whether undefined is one of a type's values. @param {Type} type */
  mayLack(type) {
    const { Undefined, Void } = this.ts.TypeFlags;
    return type.isUnion()
      ? type.types.some((each) => each.flags & Undefined)
      : Boolean(type.flags & (Undefined | Void));
  }

  /** A schema with what its comment says. @param {Schema} schema @param {TypeSymbol} symbol @returns {Schema} */
  annotated(schema, symbol) {
    const description = this.ts.displayPartsToString(symbol.getDocumentationComment(this.checker)).trim();
    /** @type {Schema} */
    const said = {};
    for (const tag of symbol.getJsDocTags(this.checker)) {
      const text = this.ts.displayPartsToString(tag.text).trim();
      if (tag.name === "integer" || (tag.name === "asType" && text === "integer")) said.type = "integer";
      else if (NUMBERS.includes(tag.name) && Number.isFinite(Number(text)) && text) said[tag.name] = Number(text);
      else if (TEXTS.includes(tag.name) && text) said[tag.name] = text;
    }
    if (!description && !Object.keys(said).length) return schema;
    const whole = { ...schema, ...said };
    return description ? { description, ...whole } : whole;
  }

  /** @param {Type} type @param {string} where @param {string} [why] */
  unfit(type, where, why = "pass data, not behaviour") {
    return new Unfit(`${where}: type ${this.checker.typeToString(type)} cannot be part of a contract: ${why}`);
  }
}
