/** The public types say what they should: this file is only compiled. */

import * as z from "zod";
import { connect, define, Fault, open, type Context } from "dragoman";

interface Thumb {
  width: number;
}

export async function thumb({ url, width }: { url: string; width: number }, ctx: Context): Promise<Thumb> {
  const size = await ctx.call<{ bytes: number }>("files.size", { url }, { timeout: 500, signal: ctx.signal });
  for await (const line of ctx.stream<string>("logs.tail", { lines: (async function* () {})() })) ctx.log(line);
  if (ctx.remaining < 100) throw Fault.failedPrecondition("too little time left");
  return { width: width + size.bytes };
}

export const scaled = define({ input: z.object({ width: z.number().default(1) }), idempotent: true }, ({ width }) => {
  const exact: number = width;
  // @ts-expect-error - the validator says that it is a number
  const wrong: string = width;
  return { exact, wrong };
});

export async function client(): Promise<string> {
  await using host = await open("shop/", { startTimeout: 1000 });
  const remote = await connect("unix:///run/dragoman.sock", { token: "x" });
  try {
    const { width } = await remote.call<Thumb>("thumbs.thumb", { url: "x" });
    return String(width) + host.service;
  } catch (error) {
    if (error instanceof Fault && error.code === "NOT_FOUND" && error.started === "no") return error.errors[0].path;
    throw error;
  } finally {
    await remote.close();
  }
}

// @ts-expect-error - there is no such code
new Fault("NOPE", "detail");
