export const price = (count: number): number => 2.5 * count;
