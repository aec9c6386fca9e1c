/**
 * Charts as SVG, with figures as the reader's own language writes them, which is why it is in JavaScript: `Intl` knows them all.
 */

import { Fault } from "dragoman";

const WIDTH = 640;
const HEIGHT = 240;
const MARGIN = 40;
const POINTS_MAX = 10_000;

const point = { type: "object", properties: { quarter: { type: "string" }, value: { type: "number" } }, required: ["quarter", "value"] };

export const schemas = {
  line: {
    description: "One series as a line, as SVG; the quarters that are named are dotted.",
    idempotent: true,
    input: {
      type: "object",
      properties: {
        title: { type: "string", maxLength: 200 },
        points: { type: "array", items: point, minItems: 2, maxItems: POINTS_MAX },
        marked: { type: "array", items: { type: "string" }, description: "quarters to dot" },
        locale: { type: "string", description: "a BCP 47 tag, such as de or en-GB" },
      },
      required: ["title", "points"],
    },
    output: { type: "string" },
  },
};

/** @param {string} text */
const escaped = (text) => text.replace(/[&<>"]/g, (each) => `&#${each.charCodeAt(0)};`);

/** @param {string} locale */
function numbersOf(locale) {
  try {
    return new Intl.NumberFormat(locale, { maximumSignificantDigits: 5 });
  } catch {
    throw Fault.invalidArgument(`${locale} is no tag of a language`, [{ path: "/locale", message: "is no BCP 47 tag" }]);
  }
}

export function line({ title, points, marked = [], locale = "en" }) {
  const number = numbersOf(locale);
  const values = points.map((each) => each.value);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const x = (place) => MARGIN + (place * (WIDTH - 2 * MARGIN)) / (points.length - 1);
  const y = (value) => HEIGHT - MARGIN - ((value - low) * (HEIGHT - 2 * MARGIN)) / (high - low || 1);
  const at = (place) => `${x(place).toFixed(1)},${y(values[place]).toFixed(1)}`;
  const dots = points.flatMap((each, place) => {
    const [cx, cy] = at(place).split(",");
    const said = `${each.quarter}: ${number.format(each.value)}`;
    return marked.includes(each.quarter) ? [`<circle cx="${cx}" cy="${cy}" r="4"><title>${escaped(said)}</title></circle>`] : [];
  });
  const text = (left, top, said) => `<text x="${left}" y="${top}">${escaped(said)}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    text(MARGIN, 20, title),
    text(2, y(high), number.format(high)),
    text(2, y(low), number.format(low)),
    text(MARGIN, HEIGHT - 12, points[0].quarter),
    text(WIDTH - 2 * MARGIN, HEIGHT - 12, points.at(-1).quarter),
    `<polyline fill="none" stroke="#25c" points="${points.map((_, place) => at(place)).join(" ")}"/>`,
    ...dots,
    "</svg>",
  ].join("\n");
}
