/** From the exported functions of a TypeScript module to what they promise. */

import { CONTEXT, WHOLE, isContextName } from "../guest/parameters.js";
import { STREAMS, Schemas, Unfit } from "./schemas.js";

/** @typedef {import("typescript")} TS */
/** @typedef {import("typescript").Type} Type */
/** @typedef {import("typescript").Symbol} TypeSymbol */
/** @typedef {import("../guest/contract.js").Told} Told */

const DESCRIPTION_CHARS_MAX = 16_000;

/**
 * The contracts of a module, by the names of its functions. Raises `Unfit` with every type that cannot be part of one.
 *
 * @param {TS} ts
 * @param {import("typescript").Program} program
 * @param {string} entry
 * @returns {Record<string, Told>}
 */
export function contractsOf(ts, program, entry) {
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(entry);
  const module = file && checker.getSymbolAtLocation(file);
  /** @type {Record<string, Told>} */
  const contracts = {};
  /** @type {string[]} */
  const problems = [];
  for (const symbol of module ? checker.getExportsOfModule(module) : []) {
    const origin = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const type = checker.getTypeOfSymbolAtLocation(origin, /** @type {any} */ (file));
    const [signature] = type.getCallSignatures();
    if (!signature || type.getConstructSignatures().length || symbol.name.startsWith("_")) continue;
    const name = symbol.name === "default" ? defaultName(origin, entry) : symbol.name;
    if (type.getProperty("~standard") || name in contracts) continue;
    try {
      contracts[name] = new Reading(ts, checker, signature, origin, type).contract();
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      problems.push(`${placeOf(origin)}: function ${name}: ${error.message}`);
    }
  }
  if (problems.length) throw new Unfit(problems.join("\n"));
  return contracts;
}

/** @param {TypeSymbol} origin @param {string} entry */
function defaultName(origin, entry) {
  if (origin.name !== "default" && origin.name !== "__function") return origin.name;
  const named = /** @type {any} */ (origin.declarations?.[0])?.name?.text;
  const stem = (entry.split("/").at(-1) ?? "").replace(/\.[cm]?tsx?$/, "");
  return named ?? stem.replaceAll(/[^A-Za-z0-9_]/g, "_");
}

/** @param {TypeSymbol} symbol */
function placeOf(symbol) {
  const declaration = symbol.declarations?.[0];
  if (!declaration) return "?";
  const file = declaration.getSourceFile();
  return `${file.fileName.split("/").at(-1)}:${file.getLineAndCharacterOfPosition(declaration.getStart()).line + 1}`;
}

/** Reads one function. */
class Reading {
  /**
   * @param {TS} ts
   * @param {import("typescript").TypeChecker} checker
   * @param {import("typescript").Signature} signature
   * @param {TypeSymbol} symbol
   * @param {Type} type
   */
  constructor(ts, checker, signature, symbol, type) {
    this.ts = ts;
    this.checker = checker;
    this.signature = signature;
    this.symbol = symbol;
    this.type = type;
    this.node = /** @type {any} */ (symbol.valueDeclaration ?? symbol.declarations?.[0]);
  }

  /** @returns {Told} */
  contract() {
    // What the function itself says of its input or output comes first, and is not read from its types.
    const told = { ...this.words(), ...this.result() };
    return this.type.getProperty("input") ? { ...told, parameters: [WHOLE, CONTEXT] } : { ...told, ...this.input() };
  }

  words() {
    const { ts, symbol, checker } = this;
    const description = ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim();
    const tags = new Map(
      symbol.getJsDocTags(checker).map((tag) => [tag.name, ts.displayPartsToString(tag.text).trim()]),
    );
    return {
      description: description.slice(0, DESCRIPTION_CHARS_MAX) || undefined,
      version: tags.get("version"),
      idempotent: tags.has("idempotent") || undefined,
    };
  }

  /** @returns {Told} */
  result() {
    const schemas = new Schemas(this.ts, this.checker, this.node);
    const found = this.checker.getReturnTypeOfSignature(this.signature);
    const type = this.checker.getAwaitedType(found) ?? found;
    const streaming = STREAMS.has(schemas.known(type));
    if (type.flags & this.ts.TypeFlags.Never) return {};
    const item = streaming ? (this.checker.getTypeArguments(/** @type {any} */ (type))[0] ?? type) : type;
    const schema = item === type && streaming ? {} : schemas.of(item, "the result");
    return {
      output: this.type.getProperty("output") ? undefined : schemas.whole(schema),
      streaming: streaming || undefined,
      rawOutput: (!streaming && schema.contentEncoding === "base64") || undefined,
    };
  }

  /** @returns {Told} */
  input() {
    const schemas = new Schemas(this.ts, this.checker, this.node);
    const all = this.signature.getParameters();
    const types = all.map((each) => this.checker.getTypeOfSymbolAtLocation(each, this.node));
    const isContext = all.map((each, at) => this.isContext(each, types[at]));
    const own = all.filter((_, at) => !isContext[at]);
    const [only] = types.filter((_, at) => !isContext[at]);
    if (own.length === 1 && this.isRecord(only, schemas)) {
      const input = this.record(only, schemas);
      const parameters = all.map((_, at) => (isContext[at] ? CONTEXT : WHOLE));
      return { input: schemas.whole(input), parameters, inputStream: schemas.inputStream || undefined };
    }
    const input = this.named(all, types, isContext, schemas);
    const bytes = own.length === 1 && input.properties[own[0].name].contentEncoding === "base64";
    return {
      input: schemas.whole(input),
      parameters: all.map((each, at) => (isContext[at] ? CONTEXT : each.name)),
      inputStream: schemas.inputStream || undefined,
      rawInput: bytes ? own[0].name : undefined,
    };
  }

  /** @param {TypeSymbol} parameter @param {Type} type */
  isContext(parameter, type) {
    const { Any, Unknown } = this.ts.TypeFlags;
    const declared = type.symbol?.declarations?.some((each) =>
      each.getSourceFile().fileName.endsWith("src/index.d.ts"),
    );
    if (type.symbol?.name === "Context" && (declared || isContextName(parameter.name))) return true;
    if (isContextName(parameter.name) && type.flags & (Any | Unknown)) return true;
    // A function that uses one part of it: `(input, { signal }: { signal: AbortSignal })`.
    const parts = this.checker.getPropertiesOfType(type);
    return parts.length > 0 && parts.some((each) => each.name === "signal") && this.holdsSignal(type);
  }

  /** @param {Type} type */
  holdsSignal(type) {
    const signal = type.getProperty("signal");
    if (!signal) return false;
    const found = this.checker.getNonNullableType(this.checker.getTypeOfSymbolAtLocation(signal, this.node));
    return found.symbol?.name === "AbortSignal";
  }

  /** Whether a type is one that takes the whole input. @param {Type} type @param {Schemas} schemas @returns {boolean} */
  isRecord(type, schemas) {
    const { ts } = this;
    if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.NonPrimitive)) return true;
    if (type.isUnion()) return type.types.every((each) => this.isRecord(each, schemas));
    if (type.isIntersection()) return type.types.every((each) => (each.flags & ts.TypeFlags.Object) !== 0);
    if (!(type.flags & ts.TypeFlags.Object) || STREAMS.has(schemas.known(type))) return false;
    if (type.getCallSignatures().length) return false;
    // Of a class or interface of the language only its name tells: Date, Map, Array, Uint8Array.
    const library = type.symbol?.declarations?.some((each) => each.getSourceFile().hasNoDefaultLib);
    return !library && schemas.known(type) !== "Buffer" && !this.checker.isTupleType(type);
  }

  /** @param {Type} type @param {Schemas} schemas @returns {any} */
  record(type, schemas) {
    const { ts } = this;
    if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.NonPrimitive)) return { type: "object" };
    const all = this.checker.getPropertiesOfType(type);
    const types = all.map((each) => this.typeOf(each));
    if (type.isUnion() || !types.some((each) => this.isStream(each, schemas))) return schemas.of(type, "the input");
    return this.named(all, types, [], schemas);
  }

  /** @param {TypeSymbol} symbol */
  typeOf(symbol) {
    return this.checker.getTypeOfSymbolAtLocation(symbol, this.node);
  }

  /** @param {Type} type @param {Schemas} schemas */
  isStream(type, schemas) {
    return STREAMS.has(schemas.known(type));
  }

  /**
   * The schema of an object with these properties, one of which may be a stream.
   *
   * @param {TypeSymbol[]} all
   * @param {Type[]} types
   * @param {boolean[]} left which of them are no part of it
   * @param {Schemas} schemas
   */
  named(all, types, left, schemas) {
    const { ts } = this;
    /** @type {Record<string, any>} */
    const properties = {};
    /** @type {string[]} */
    const required = [];
    all.forEach((symbol, at) => {
      if (left[at]) return;
      const where = `parameter ${symbol.name}`;
      const declaration = /** @type {any} */ (symbol.valueDeclaration);
      if (declaration?.dotDotDotToken) throw new Unfit(`${where}: takes any number of values: declare an array`);
      if (declaration?.name && !ts.isIdentifier(declaration.name) && ts.isParameter(declaration)) {
        throw new Unfit(`parameter ${at + 1}: has no name, and is not the only one: destructure the whole input`);
      }
      properties[symbol.name] = schemas.annotated(this.property(symbol, types[at], schemas), symbol);
      const optional = declaration?.questionToken || declaration?.initializer || symbol.flags & ts.SymbolFlags.Optional;
      if (!optional && !schemas.mayLack(types[at])) required.push(symbol.name);
    });
    return { type: "object", properties, ...(required.length ? { required } : {}), additionalProperties: false };
  }

  /** @param {TypeSymbol} symbol @param {Type} type @param {Schemas} schemas */
  property(symbol, type, schemas) {
    if (!this.isStream(type, schemas)) return schemas.of(type, `parameter ${symbol.name}`);
    if (schemas.inputStream)
      throw new Unfit(`${schemas.inputStream} and ${symbol.name} are both streams: a call has one`);
    schemas.inputStream = symbol.name;
    const [item] = this.checker.getTypeArguments(/** @type {any} */ (type));
    return { type: "array", items: item ? schemas.of(item, `parameter ${symbol.name}[]`) : {} };
  }
}
