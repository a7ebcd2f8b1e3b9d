import { expect, test } from '@jest/globals';
import type { Account, CallEvent } from '../../src/sandbox/account.ts';
import { popupProblems } from '../e2e/popups.ts';
import type { ExpectedCall } from '../e2e/scenarios/expect.ts';

/** 150 and 151 rang, 151 answered after 2 s. */
const call: ExpectedCall = {
  direction: 'in',
  logToCrm: true,
  customerPhone: '+375290000001',
  customerPhoneRaw: '+375290000001',
  customerName: null,
  externalPhone: '+375171234504',
  result: 'answered',
  resultAlternatives: [],
  resultDetail: null,
  startedAt: 0,
  customerLegAt: 0,
  answeredAt: 2000,
  endedAt: 5000,
  endTolerance: 0.7,
  answeredBy: '151',
  handledBy: ['151'],
  initiatedBy: null,
  rang: [
    { ext: '150', at: 100, outcome: 'answered elsewhere' },
    { ext: '151', at: 100, outcome: 'answered' },
  ],
  transfers: [],
  recorded: true,
};
const hunt: ExpectedCall = {
  ...call,
  rang: [
    { ext: '150', at: 100, outcome: 'no answer' },
    { ext: '151', at: 1000, outcome: 'answered' },
  ],
};
const abandoned: ExpectedCall = {
  ...call,
  result: 'no answer',
  answeredAt: null,
  handledBy: [],
  rang: [{ ext: '150', at: 100, outcome: 'cancelled' }],
};

const crmAway: ExpectedCall = { ...call, popupsUnsure: true };

const event = (type: CallEvent['type'], codes: string[], hangupStatus?: string, id = 'c'): CallEvent => ({
  at: 0,
  type,
  phone: '+375290000001',
  codes,
  userIds: [],
  hangupStatus,
  externalPhone: undefined,
  callExternalId: id,
  popups: codes.length,
});
const shown = event('in', ['150', '151']);
const lost = event('hangup', ['150'], 'answered');
const over = event('hangup', ['151'], 'answered');

test.each([
  ['a ring group is told right', [shown, lost, over], call, []],
  ['the loser is told she missed it', [shown, event('hangup', ['150'], 'no answered'), over], call, ['hangupStatus']],
  ['the same popup twice', [shown, event('in', ['150']), lost, over], call, ['2 times in']],
  ['in after hangup', [lost, shown, over], call, ['before its popup', 'no hangup']],
  ['nobody closes', [shown, over], call, ['no hangup']],
  ['a phone that rang sees nothing', [event('in', ['151']), over], call, ['150 got no popup']],
  ['a phone that did not ring sees it', [shown, lost, over, event('in', ['152'])], call, ['no hangup', 'not called']],
  ['a popup of no call', [shown, lost, over, event('in', ['150'], undefined, 'x')], call, ['no call for the CRM']],
  ['a hunt group rang on', [shown, lost, over], hunt, ['it was no answered']],
  ['the CRM was away while it rang', [lost], crmAway, []],
  ['the CRM was away while another one rang', [event('in', ['150'], undefined, 'x')], crmAway, ['no call for the CRM']],
  ['the caller gave up', [event('in', ['150']), event('hangup', ['150'], 'no answered')], abandoned, ['was cancel']],
] as [string, CallEvent[], ExpectedCall, string[]][])('%s', (_words, events, expected, parts) => {
  const account: Pick<Account, 'events' | 'openPopups'> = { events, openPopups: new Map() };
  const problems = popupProblems(account, new Map([['c', expected]]));
  expect(problems).toHaveLength(parts.length);
  parts.forEach((part, index) => expect(problems[index]).toContain(part));
});
