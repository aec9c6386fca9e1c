/** Functions whose contracts are their types. */

import { Fault, type Context } from "dragoman";
import { price } from "./prices";

/** One line of an order. */
interface Line {
  name: string;
  /**
   * How many.
   * @integer
   * @minimum 1
   */
  count: number;
  note?: string | null;
}

type Shape = { kind: "circle"; radius: number } | { kind: "square"; side: number };

interface Tree {
  value: bigint;
  children: Tree[];
}

/** Prices an order. @version 1.2.0 */
export async function total(
  order: { lines: Line[]; at: Date; tags?: Set<string>; data?: Uint8Array },
  ctx: Context,
): Promise<{ sum: number; year: number; tags: number; bytes: number; traced: boolean }> {
  return {
    sum: order.lines.reduce((sum, line) => sum + price(line.count), 0),
    year: order.at.getUTCFullYear(),
    tags: order.tags?.size ?? 0,
    bytes: order.data?.length ?? 0,
    traced: ctx.trace !== "",
  };
}

export const add = (a: bigint, b = 1n): bigint => a + b;
export const half = (n: number): number => n / 2;

export function* count(to: number): Generator<number> {
  for (let at = 0; at < to; at++) yield at;
}

export async function* twice(ctx: Context, numbers: AsyncIterable<number>): AsyncGenerator<number> {
  for await (const each of numbers) yield ctx.cancelled ? 0 : 2 * each;
}

export const area = ({ shape }: { shape: Shape }): number =>
  shape.kind === "circle" ? Math.PI * shape.radius ** 2 : shape.side ** 2;

export const depth = (tree: Tree): number => 1 + Math.max(0, ...tree.children.map(depth));
export const reverse = (data: Uint8Array): Uint8Array => data.reverse();

export const ask = async (n: number, ctx: Context): Promise<number> => ctx.call<number>("py.twice", { n });

export function fails(id: string): never {
  throw Fault.notFound(`no order ${id}`);
}
