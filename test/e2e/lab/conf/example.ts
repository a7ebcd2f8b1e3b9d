/** The dial plan of docs/dialplan.md, as it stands there: what operators copy is what is tested. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../../../src/root.ts';

/** Port of FastAGI on the PBX's own address: each instance of the lab has an address of its own. */
export const agiPort = 4573;

/**
 * The example, with the daemon's address of this instance and a shorter patience. Throws if the page no longer holds what is
 * replaced: then the test would test something else.
 */
export function dialplanExample(address: string): string {
  const page = readFileSync(join(projectRoot(), 'docs/dialplan.md'), 'utf8');
  const [, block] = /```ini\n(\[who-calls\][\s\S]*?)```/.exec(page) ?? [];
  if (block === undefined) throw new Error('docs/dialplan.md has no [who-calls] example');
  return [
    ['agi://127.0.0.1:4573/', `agi://${address}:${agiPort}/`],
    ['Dial(PJSIP/${RESPONSIBLE_EXT},15,', 'Dial(PJSIP/${RESPONSIBLE_EXT},8,'],
    ['Queue(sales,tkx,,,60)', 'Queue(sales,tkx,,,18)'],
  ].reduce((text, [part = '', by = '']) => {
    if (!text.includes(part)) throw new Error(`docs/dialplan.md no longer says ${part}`);
    return text.replace(part, () => by);
  }, block);
}
