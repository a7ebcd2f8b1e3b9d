import type { Io, Output } from '../../../src/cli/output.ts';

/** A pair of streams that keep what they are given. */
export function capture(options: { colours?: boolean; width?: number } = {}): {
  io: Io;
  out: () => string;
  err: () => string;
} {
  const texts = { out: '', err: '' };
  const output = (name: 'out' | 'err'): Output => ({
    colours: options.colours ?? false,
    width: options.width ?? 100,
    write: (text) => {
      texts[name] += text;
    },
  });
  return { io: { out: output('out'), err: output('err'), env: {} }, out: () => texts.out, err: () => texts.err };
}
