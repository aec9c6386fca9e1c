/**
 * From what a module exports to what it promises: names, schemas and how each function is called.
 *
 * A function takes `(input, ctx)`. Where a compiler has read its types, or its parameters are two or more plain names
 * and the second is no context, it takes its parameters from the input by their names.
 */

import { CONTEXT, WHOLE, parametersOf } from "./parameters.js";
import { reader } from "./reading.js";
import { isValidator, schemaOf, validatorOf } from "./standard.js";

/** What a module offers cannot be a contract; the message is for whoever wrote it. */
export class BadContract extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "BadContract";
  }
}

/** @typedef {Record<string, any>} Schema */
/**
 * What is said of a function beside it, or on it.
 *
 * @typedef {object} Told
 * @property {any} [input] a JSON Schema, or a Standard Schema validator
 * @property {any} [output]
 * @property {string} [description]
 * @property {string} [version]
 * @property {boolean} [streaming]
 * @property {boolean} [idempotent]
 * @property {string} [inputStream]
 * @property {string | boolean} [rawInput]
 * @property {boolean} [rawOutput]
 * @property {string[]} [parameters]
 */
/**
 * @typedef {object} Binding
 * @property {string} name
 * @property {(input: any, ctx: any) => any} invoke
 * @property {boolean} streaming
 * @property {string} inputStream
 * @property {string} rawInput the property that takes a raw body
 * @property {boolean} rawOutput
 * @property {((value: any, path: string) => any) | null} read puts decoded values into the types of JavaScript
 * @property {((value: any, path: string) => any) | null} readItem the same for one item of the input's stream
 * @property {((value: any) => any) | null} validate
 * @property {Record<string, unknown>} contract its entry of the manifest
 */

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
const NAME_CHARACTERS_MAX = 100;
const GENERATORS = new Set(["AsyncGeneratorFunction", "GeneratorFunction"]);

/**
 * The functions of a module, by name, each once.
 *
 * @param {Record<string, any>} exported
 * @param {string} stem what the module is called
 * @returns {Map<string, Function>}
 */
export function functionsOf(exported, stem) {
  /** @type {Map<string, Function>} */
  const found = new Map();
  const whole = exported["module.exports"] ?? exported.default;
  const folded =
    whole !== null && typeof whole === "object" && !isValidator(whole) ? { ...exported, ...whole } : exported;
  for (const key of Object.keys(folded)) {
    const value = folded[key];
    if (typeof value !== "function" || isClass(value) || key.startsWith("_") || key === "module.exports") continue;
    if (isValidator(value)) continue;
    const name = key === "default" ? nameOfDefault(value, stem) : key;
    const other = found.get(name);
    if (other === value) continue;
    if (other) throw new BadContract(`two functions are called ${name}: give one of them another name`);
    if (key === "default" && [...found.values()].includes(value)) continue;
    if (!NAME.test(name) || name.length > NAME_CHARACTERS_MAX) {
      throw new BadContract(`${JSON.stringify(name)} cannot be called: a name is a letter, then letters, digits and _`);
    }
    found.set(name, value);
  }
  return found;
}

/** @param {Function} value @param {string} stem */
function nameOfDefault(value, stem) {
  return value.name && value.name !== "default" ? value.name : stem.replaceAll(/[^A-Za-z0-9_]/g, "_");
}

/** @param {Function} value */
function isClass(value) {
  return /^class[\s{]/.test(Function.prototype.toString.call(value));
}

/**
 * @param {string} name
 * @param {any} func
 * @param {Told} beside what stands beside the function: in `schemas`, in a file, or read from its types
 * @param {(name: string) => Promise<any>} importer imports a package as the module would
 * @returns {Promise<Binding>}
 */
export async function bind(name, func, beside, importer) {
  /** @type {Told} */
  const told = { ...beside };
  for (const key of /** @type {(keyof Told)[]} */ (Object.keys(KINDS))) {
    if (Object.hasOwn(func, key)) told[key] = func[key];
    checkTold(name, key, told[key]);
  }
  const rawInput = typeof told.rawInput === "string" ? told.rawInput : told.rawInput ? "body" : "";
  const input = inputSchema(name, await schemaOf(told.input, importer, "input"), rawInput);
  const output = told.output === undefined ? {} : await schemaOf(told.output, importer, "output");
  if (!isSchema(output)) throw new BadContract(`function ${name}: its output is no JSON Schema and no validator`);
  const inputStream = told.inputStream ?? "";
  checkStream(name, inputStream, input);
  const streaming = told.streaming ?? GENERATORS.has(func.constructor.name);
  const validator = validatorOf(told.input);
  const parameters = told.parameters ?? parametersOf(func);
  return {
    name,
    invoke: parameters ? spread(func, parameters) : (value, ctx) => func(value, ctx),
    streaming,
    inputStream,
    rawInput,
    rawOutput: told.rawOutput ?? false,
    read: reader(input, validator !== null),
    readItem: inputStream
      ? reader({ ...(input.properties?.[inputStream]?.items ?? {}), $defs: input.$defs }, validator !== null)
      : null,
    validate: validator && ((value) => validator(value, inputStream)),
    contract: {
      name,
      version: told.version,
      description: told.description,
      input: strip(input),
      output: strip(output),
      streaming: streaming || undefined,
      input_stream: inputStream || undefined,
      idempotent: told.idempotent || undefined,
      raw_input: rawInput !== "" || undefined,
      raw_output: told.rawOutput || undefined,
    },
  };
}

/** @type {Record<keyof Told, string[]>} */
const KINDS = {
  input: ["object", "function"],
  output: ["object", "function"],
  description: ["string"],
  version: ["string"],
  streaming: ["boolean"],
  idempotent: ["boolean"],
  inputStream: ["string"],
  rawInput: ["string", "boolean"],
  rawOutput: ["boolean"],
  parameters: ["object"],
};

/** @param {string} name @param {keyof Told} key @param {unknown} value */
function checkTold(name, key, value) {
  if (value === undefined) return;
  if (value === null || !KINDS[key].includes(typeof value)) {
    const wanted =
      KINDS[key][0] === "object" && key !== "parameters"
        ? "a JSON Schema or a validator"
        : `a ${KINDS[key].join(" or ")}`;
    throw new BadContract(
      `function ${name}: \`${key}\` must be ${wanted}, not ${value === null ? "null" : typeof value}`,
    );
  }
}

/** @param {unknown} value @returns {value is Schema} */
function isSchema(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {string} name @param {unknown} schema @param {string} rawInput @returns {Schema} */
function inputSchema(name, schema, rawInput) {
  if (schema === undefined) {
    if (!rawInput) return { type: "object" };
    return {
      type: "object",
      properties: { [rawInput]: { type: "string", contentEncoding: "base64" } },
      required: [rawInput],
    };
  }
  if (!isSchema(schema)) throw new BadContract(`function ${name}: its input is no JSON Schema and no validator`);
  const { type } = schema;
  if (type === undefined && !["$ref", "allOf", "anyOf", "oneOf", "properties"].some((key) => key in schema)) {
    throw new BadContract(`function ${name}: its input must be the schema of an object, {"type": "object", …}`);
  }
  if (type !== undefined && type !== "object") {
    throw new BadContract(`function ${name}: its input is of type ${JSON.stringify(type)}; an input is an object`);
  }
  return schema;
}

/** @param {string} name @param {string} inputStream @param {Schema} input */
function checkStream(name, inputStream, input) {
  if (!inputStream) return;
  const property = input.properties?.[inputStream];
  if (!input.properties) {
    input.properties = { [inputStream]: { type: "array" } };
  } else if (!property || (property.type !== undefined && property.type !== "array")) {
    throw new BadContract(
      `function ${name}: its inputStream is ${inputStream}, and its input has no array called that`,
    );
  }
}

/** A schema without the marks that are for this library only. @param {any} schema @returns {any} */
function strip(schema) {
  if (Array.isArray(schema)) return schema.map(strip);
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key, value]) => key !== "x-js" && value !== undefined)
      .map(([key, value]) => [key, strip(value)]),
  );
}

/**
 * @param {any} func
 * @param {string[]} parameters names of properties, `*` for the whole input, `@ctx` for the context
 */
function spread(func, parameters) {
  /** @param {any} input @param {any} ctx */
  return (input, ctx) =>
    func(...parameters.map((each) => (each === CONTEXT ? ctx : each === WHOLE ? input : input?.[each])));
}
