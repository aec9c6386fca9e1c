// The bench's functions in JavaScript, typed by schemas beside them.
const numbers = { a: { type: "number" }, b: { type: "number" } };

export const schemas = {
  add: { input: { type: "object", properties: numbers, required: ["a", "b"] }, output: { type: "number" } },
  mirror: {
    input: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
    output: { type: "string" },
  },
};

export const add = ({ a, b }) => a + b;

export const mirror = ({ text }) => text;
