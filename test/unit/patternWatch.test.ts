import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Logger } from '../../src/log.ts';
import { silentLog } from '../../src/log.ts';
import { loadEnterpriseFile } from '../../src/config/load.ts';
import type { HostSettings } from '../../src/config/settings.ts';
import { PatternWatch } from '../../src/patternWatch.ts';
import { hostRules } from '../../src/rules.ts';
import { projectRoot } from '../../src/root.ts';

const enterprise = loadEnterpriseFile(join(projectRoot(), 'config/enterprises/example.yaml'));
const [example] = enterprise.hosts;
if (example === undefined) throw new Error('the example has no host');

/** A watch that has seen these end points on a host that differs from the example by `change`. */
function watching(stems: readonly string[], change: Partial<HostSettings> = {}, log: Logger = silentLog): PatternWatch {
  const host = { ...example, ...change } as HostSettings;
  const watch = new PatternWatch(host, log);
  const rules = hostRules(enterprise, host, (stem, side) => watch.saw(stem, side));
  for (const stem of stems) rules.side(`${stem}-00000001`, undefined);
  return watch;
}

const ordinary = ['PJSIP/provider-by', 'PJSIP/provider-ru', 'PJSIP/150', 'PJSIP/151'];

describe('patterns held against the channels that pass', () => {
  test('nothing is odd about the example and its own PBX', () => {
    expect(watching(ordinary).oddities()).toEqual([]);
  });

  test.each([
    {
      name: 'a line nobody comes in by is named with the channels seen',
      stems: ['PJSIP/provider-by', 'PJSIP/provider-rus', 'PJSIP/150'],
      change: {},
      says: /no channel fits line "provider-ru" .*seen: .*PJSIP\/provider-rus.*correct its channels/,
    },
    {
      name: 'a line whose pattern fits phones too is named with the phones',
      stems: ordinary,
      change: { trunks: [{ name: 'all', channels: ['PJSIP/*'], country: undefined, internal: false }] },
      says: /line "all" \(PJSIP\/\*\) fits employees' phones too: PJSIP\/150, PJSIP\/151/,
    },
    {
      name: 'extensions that fit no phone',
      stems: ['PJSIP/provider-by', 'PJSIP/provider-ru', 'PJSIP/anna'],
      change: {},
      says: /no channel fits hosts\[\]\.extensions \(1\[0-9\]\[0-9\]\)/,
    },
    {
      name: 'an end point that fits nothing',
      stems: [...ordinary, 'PJSIP/doorphone'],
      change: {},
      says: /fit no line and no extension: PJSIP\/doorphone/,
    },
  ])('$name', ({ stems, change, says }) => {
    expect(watching(stems, change).oddities().join('\n')).toMatch(says);
  });

  test('the log is told once a day', () => {
    const told: string[] = [];
    const log: Logger = { ...silentLog, warn: (message) => void told.push(message) };
    const watch = watching([...ordinary, 'PJSIP/doorphone'], {}, log);
    for (let hour = 0; hour < 25; hour++) watch.tick(hour * 3600_000);
    expect(told).toHaveLength(2);
  });
});
