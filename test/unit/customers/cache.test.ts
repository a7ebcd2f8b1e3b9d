import { describe, expect, test } from '@jest/globals';
import { Recent } from '../../../src/customers/cache.ts';
import type { Found } from '../../../src/customers/found.ts';
import { Patience } from '../../../src/customers/patience.ts';
import { CrmError, type CrmErrorKind } from '../../../src/retailcrm/errors.ts';
import type { Logger } from '../../../src/log.ts';

const nobody: Found = { who: 'nobody', fetchedAt: 1, complete: true };

test('when memory is full, the number used longest ago leaves', () => {
  const recent = new Recent(2);
  recent.set('+1', nobody);
  recent.set('+2', nobody);
  recent.get('+1');
  recent.set('+3', nobody);
  expect(['+1', '+2', '+3'].map((phone) => recent.get(phone) !== undefined)).toEqual([true, false, true]);
});

describe('patience with a CRM that does not answer', () => {
  const failure = (kind: CrmErrorKind): CrmError =>
    new CrmError({ kind, status: null, errorMsg: 'no', sent: true, latencyMs: 1 });

  function patience() {
    const said: string[] = [];
    const say = (message: string): void => void said.push(message);
    const log: Logger = { error: say, warn: say, info: say, debug: say, child: () => log };
    const clock = { now: 0 };
    return { said, clock, one: new Patience(log, () => clock.now) };
  }

  test('three failures in a row pause the questions; the pause doubles up to half a minute', () => {
    const { clock, one } = patience();
    const pauses: number[] = [];
    for (let n = 0; n < 10; n++) {
      one.failed(failure('NETWORK'));
      const from = clock.now;
      while (!one.may()) clock.now += 100;
      pauses.push(clock.now - from);
    }
    expect(pauses).toEqual([0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test('an account that refuses us is asked once a minute', () => {
    const { clock, one } = patience();
    one.failed(failure('AUTH'));
    clock.now = 59_900;
    expect(one.may()).toBe(false);
    clock.now = 60_000;
    expect(one.may()).toBe(true);
  });

  test('one answer ends it; one line when it begins, one when it is over', () => {
    const { said, one } = patience();
    for (let n = 0; n < 5; n++) one.failed(failure('RETRY'));
    one.answered();
    one.failed(failure('RETRY'));
    expect(one.may()).toBe(true);
    expect(said).toEqual(['the CRM does not tell who calls: callers stay unknown', 'the CRM tells again who calls']);
  });
});
