/** Validators that speak Standard Schema (standardschema.dev): zod, valibot, arktype and others; and their JSON Schemas. */

import { Fault } from "../fault.js";
import { parseJson, writeJson } from "../values/json.js";
import { pointer } from "../values/walk.js";

const TARGET = "draft-2020-12";
const OPEN = Object.freeze({ type: "object" });

/** @param {any} value */
export function isValidator(value) {
  return value !== null && (typeof value === "object" || typeof value === "function") && "~standard" in value;
}

/**
 * The JSON Schema of a validator, or what was given if it is none.
 *
 * @param {any} told
 * @param {(name: string) => Promise<any>} importer
 * @param {"input" | "output"} side
 * @returns {Promise<any>}
 */
export async function schemaOf(told, importer, side) {
  if (!isValidator(told)) return typeof told === "function" ? null : told;
  const schema = await derive(told, importer, side);
  if (!schema) return side === "input" ? { ...OPEN } : {};
  delete schema.$schema;
  delete schema["~standard"];
  return schema;
}

/** @param {any} validator @param {(name: string) => Promise<any>} importer @param {"input" | "output"} side */
async function derive(validator, importer, side) {
  const standard = validator["~standard"];
  /** @type {(() => any)[]} */
  const ways = [
    () => standard.vendor === "zod" && importer("zod").then((zod) => zodSchema(zod, validator, side)),
    () =>
      standard.vendor === "valibot" &&
      importer("@valibot/to-json-schema").then((valibot) =>
        valibot.toJsonSchema(validator, { typeMode: side, errorMode: "ignore" }),
      ),
    () => standard.jsonSchema?.[side]?.({ target: TARGET }),
    () => validator.toJsonSchema?.({ dialect: null, fallback: (/** @type {any} */ each) => each.base }),
    () => validator.toJSONSchema?.({ target: TARGET, io: side, unrepresentable: "any" }),
  ];
  for (const way of ways) {
    try {
      const schema = await way();
      if (schema && typeof schema === "object") return parseJson(writeJson(schema));
    } catch {
      // The next way may know; without any the input stays open, and the validator checks it all the same.
    }
  }
  return null;
}

/** @param {any} zod @param {any} validator @param {"input" | "output"} io */
function zodSchema(zod, validator, io) {
  const convert = zod.toJSONSchema ?? zod.z?.toJSONSchema;
  return convert?.(validator, { target: TARGET, io, unrepresentable: "any" });
}

/**
 * What checks a value: gives the validator's own, transformed, or raises INVALID_ARGUMENT with each breach.
 *
 * @param {any} told
 * @returns {((value: any, inputStream: string) => any) | null}
 */
export function validatorOf(told) {
  if (!isValidator(told)) return null;
  const standard = told["~standard"];
  return (value, inputStream) => {
    // A stream is checked by the host, item by item; here it stands for an empty array.
    const stream = inputStream ? value?.[inputStream] : undefined;
    const asked = stream === undefined ? value : { ...value, [inputStream]: [] };
    const found = standard.validate(asked);
    /** @param {any} result */
    const settle = (result) => {
      if (result.issues) throw refusal(result.issues);
      return stream === undefined ? result.value : { ...result.value, [inputStream]: stream };
    };
    return found instanceof Promise ? found.then(settle) : settle(found);
  };
}

/** @param {readonly {message: string, path?: readonly any[]}[]} issues */
function refusal(issues) {
  const errors = issues.map(({ message, path = [] }) => ({
    path: path.map((part) => pointer(String(typeof part === "object" && part !== null ? part.key : part))).join(""),
    message,
  }));
  const first = errors[0];
  const more = errors.length > 1 ? `, and ${errors.length - 1} more` : "";
  return new Fault(
    "INVALID_ARGUMENT",
    `the input breaks its contract: ${first?.path || "/"}: ${first?.message}${more}`,
    {
      started: "no",
      errors,
    },
  );
}
