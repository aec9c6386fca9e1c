/** The parameters of a function, as its own text has them. */

const CONTEXTS = new Set(["ctx", "context", "_ctx", "_context", "_"]);
const HEAD = /^(?:async\b\s*)?(?:function\b\s*)?\*?\s*(?:[\w$]+\s*)?\(/;
/** An arrow function of one parameter, without parentheses. */
const BARE = /^(?:async\s+)?([A-Za-z_$][\w$]*)\s*=>/;
/** Not parsed any further: no parameters are that long. */
const CHARACTERS_MAX = 10_000;

/** The context of the call. */
export const CONTEXT = "@ctx";
/** The whole input. */
export const WHOLE = "*";

/** @param {string} name */
export function isContextName(name) {
  return CONTEXTS.has(name);
}

/**
 * What is passed to a function, in order: the context, the whole input, or a property of it by the parameter's name;
 * null for the usual `(input, ctx)`.
 *
 * @param {Function} func
 * @returns {string[] | null}
 */
export function parametersOf(func) {
  const parts = listed(Function.prototype.toString.call(func));
  if (!parts?.length || parts.some((each) => each.startsWith("..."))) return null;
  const names = parts.map((each) => /^[A-Za-z_$][\w$]*/.exec(each)?.[0] ?? WHOLE);
  const passed = names.map((each) => (each !== "_" && isContextName(each) ? CONTEXT : each));
  if (names.length === 1) return passed[0] === CONTEXT ? passed : null;
  if (names.length === 2 && isContextName(names[1])) return null;
  // One that takes the input apart gets all of it, wherever the context stands.
  return passed.every((each) => each === CONTEXT || each === WHOLE) && passed[0] === WHOLE ? null : passed;
}

/** The text of each parameter; null where it cannot be told. @param {string} source @returns {string[] | null} */
function listed(source) {
  const bare = BARE.exec(source);
  if (bare) return [bare[1]];
  const head = HEAD.exec(source);
  if (!head) return null;
  const parts = [];
  let part = "";
  let depth = 0;
  const end = Math.min(source.length, CHARACTERS_MAX);
  for (let at = head[0].length; at < end; at++) {
    const skipped = skip(source, at);
    if (skipped > at) {
      if (source[at] !== "/") part += source.slice(at, skipped);
      at = skipped - 1;
      continue;
    }
    const character = source[at];
    if (depth === 0 && (character === "," || character === ")")) {
      if (part.trim()) parts.push(part.trim());
      if (character === ")") return parts;
      part = "";
      continue;
    }
    if ("([{".includes(character)) depth++;
    else if (")]}".includes(character)) depth--;
    part += character;
  }
  return null;
}

/** Where a text or a comment ends that begins here; the same place if none does. @param {string} source @param {number} at */
function skip(source, at) {
  const two = source.slice(at, at + 2);
  const past = (/** @type {string} */ end, /** @type {number} */ from) => {
    const found = source.indexOf(end, from);
    return found < 0 ? source.length : found + end.length;
  };
  if (two === "/*") return past("*/", at + 2);
  if (two === "//") return past("\n", at + 2);
  const quote = source[at];
  if (quote !== '"' && quote !== "'" && quote !== "`") return at;
  for (let next = at + 1; next < source.length; next++) {
    if (source[next] === "\\") next++;
    else if (source[next] === quote) return next + 1;
  }
  return source.length;
}
